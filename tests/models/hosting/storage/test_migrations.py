"""Tables are made and changed by revisions: whole or not at all, by one at a time, from every release to this one."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import count
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text

from coordinator.database import SCHEMA
from coordinator.database import tables as bureau
from coordinator.database.migrations import r0001_first_tables as first_of_bureau
from coordinator.database.migrations import r0002_transparency_log as second_of_bureau
from coordinator.database.migrations import r0003_log_documents as of_bureau
from crypto.identifiers import Role
from models.hosting.errors import DatabaseUnusable, SchemaOutdated
from models.hosting.storage.database import Database
from models.hosting.storage.migrations import Schema
from participants.bank.database import tables as bank
from participants.bank.database.migrations import r0001_first_tables as first_of_bank
from participants.bank.database.migrations import r0002_consents as of_bank
from participants.department.database import tables as department
from participants.department.database.migrations import r0001_first_tables as first_of_department
from participants.department.database.migrations import r0002_log_view as second_of_department
from participants.department.database.migrations import r0003_points_lost as of_department
from participants.node_database import new_database
from simulations.postgresql import PostgresqlServer

NUMBERS = count()
FIRST = """
import sqlalchemy as sa
from alembic import op
revision = "0001"
down_revision = None
def upgrade():
    op.create_table("things", sa.Column("name", sa.Text, primary_key=True))
"""
SECOND = """
import sqlalchemy as sa
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    op.add_column("things", sa.Column("size", sa.Integer, server_default="7", nullable=False))
    op.create_table("more", sa.Column("name", sa.Text, primary_key=True))
"""
STOPS = """
import sys, time
from alembic import op
from models.hosting.storage.database import Database
from models.hosting.storage.migrations import Schema
make = op.create_table
def create_table(name, *arguments, **options):
    make(name, *arguments, **options)
    if name == sys.argv[3]:
        print("reached", flush=True)
        time.sleep(60)
op.create_table = create_table
Database(sys.argv[1], Schema(sys.argv[2], "migrate")).migrate()
"""
MIGRATES = """
import sys
from models.hosting.storage.database import Database
from models.hosting.storage.migrations import Schema
Database(sys.argv[1], Schema(sys.argv[2], "migrate")).migrate()
"""


class Releases:
    """Two releases of a node, one after the other."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._number = directory, next(NUMBERS)

    def schema(self, *revisions: str) -> Schema:
        """The schema of a release that has these revisions."""
        package = self._directory / f"revisions_{self._number}_{len(revisions)}"
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
        for number, revision in enumerate(revisions, start=1):
            (package / f"r{number}.py").write_text(revision)
        return Schema(package.name, "yurong node migrate")


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    monkeypatch.syspath_prepend(tmp_path)
    return Releases(tmp_path)


def names(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(inspect(connection).get_table_names())


@pytest.mark.parametrize(
    ("schema", "metadata", "revisions"),
    [
        (
            new_database("sqlite:////x", Role.DEPARTMENT).schema,
            department.metadata,
            [first_of_department, second_of_department, of_department],
        ),
        (new_database("sqlite:////x", Role.BANK).schema, bank.metadata, [first_of_bank, of_bank]),
        (SCHEMA, bureau.metadata, [first_of_bureau, second_of_bureau, of_bureau]),
    ],
    ids=["department", "bank", "bureau"],
)
def test_the_revisions_make_the_tables_that_are_used(
    database_url: str, schema: Schema, metadata: MetaData, revisions: list[ModuleType]
) -> None:
    found = {name for _, name, _ in iter_modules(import_module(schema.package).__path__)}
    assert found == {one.__name__.removeprefix(f"{schema.package}.") for one in revisions}
    database = Database(database_url, schema)
    with pytest.raises(SchemaOutdated, match="no database yet"):
        database.check_schema()
    database.migrate()
    database.check_schema()
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        # What the comparison does not look at: rules, and the names of everything.
        for table in metadata.sorted_tables:
            checks = {found["name"] for found in inspect(connection).get_check_constraints(table.name)}
            assert checks == {one.name for one in table.constraints if one.name and str(one.name).startswith("ck_")}
    database.close()


def test_tables_of_another_application_in_the_same_database_are_not_taken_for_ours(
    postgresql: PostgresqlServer, releases: Releases
) -> None:
    database = Database(postgresql.new_database(), releases.schema(FIRST))
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA elsewhere")
        connection.exec_driver_sql("CREATE TABLE elsewhere.alembic_version (version_num text)")
        connection.exec_driver_sql("INSERT INTO elsewhere.alembic_version VALUES ('ffff')")
    with pytest.raises(SchemaOutdated, match="no database yet"):
        database.check_schema()
    database.migrate()
    database.check_schema()
    database.close()


def test_a_release_brings_an_older_database_up_to_date_and_keeps_what_is_in_it(
    database_url: str, releases: Releases
) -> None:
    old, new = Database(database_url, releases.schema(FIRST)), Database(database_url, releases.schema(FIRST, SECOND))
    old.migrate()
    with old.begin() as connection:
        connection.execute(text("INSERT INTO things VALUES ('one')"))
    with pytest.raises(SchemaOutdated, match="earlier release") as caught:
        new.check_schema()
    assert "yurong node migrate" in caught.value.advice
    new.migrate()
    new.migrate()
    new.check_schema()
    with new.reading() as connection:
        assert connection.execute(text("SELECT name, size FROM things")).fetchall() == [("one", 7)]
    for refuses in (old.check_schema, old.migrate):
        with pytest.raises(SchemaOutdated, match="later release"):
            refuses()
    for database in (old, new):
        database.close()


def test_a_revision_that_fails_leaves_the_old_form(database_url: str, releases: Releases) -> None:
    old = Database(database_url, releases.schema(FIRST))
    old.migrate()
    broken = Database(database_url, releases.schema(FIRST, SECOND + "    op.execute('SELECT nothing FROM nowhere')\n"))
    with pytest.raises(DatabaseUnusable):
        broken.migrate()
    old.check_schema()
    assert names(old) == {"things", "alembic_version"}
    for database in (old, broken):
        database.close()


def test_a_migration_that_is_killed_leaves_the_old_form(database_url: str, releases: Releases, tmp_path: Path) -> None:
    schema = releases.schema(FIRST, SECOND)
    database = Database(database_url, schema)
    for table in ("things", "more"):  # in the first revision, and at the end of the second
        command = [sys.executable, "-c", STOPS, database_url, schema.package, table]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"reached\n"
            process.send_signal(signal.SIGKILL)
        with pytest.raises(SchemaOutdated, match="no database yet"):
            database.check_schema()
        assert names(database) == set()
    database.migrate()
    database.check_schema()
    assert names(database) == {"things", "more", "alembic_version"}
    database.close()


def test_of_many_processes_that_migrate_at_once_all_succeed(
    database_url: str, releases: Releases, tmp_path: Path
) -> None:
    schema = releases.schema(FIRST, SECOND)
    command = [sys.executable, "-c", MIGRATES, database_url, schema.package]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: subprocess.run(command, cwd=tmp_path, check=False).returncode, range(2)))
        assert done == [0] * 2
        databases = [Database(database_url, schema) for _ in range(4)]
        list(pool.map(Database.migrate, databases))
    for database in databases:
        database.check_schema()
        database.close()
