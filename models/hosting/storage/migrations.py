"""The form of a database's tables: which it is, which it should be, and how the one becomes the other.

Each role has a package of revisions (Alembic's), one file each. They are run here and nowhere else, all in one
transaction that holds the database's lock: a process that is killed on the way leaves the old form, and of two that
migrate at once the second finds nothing left to do.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from models.hosting.errors import SchemaOutdated

_SQLITE_FORM: Final = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
# In the schemas that tables are looked for in: another application's in the same database is none of ours.
_POSTGRESQL_FORM: Final = "SELECT to_regclass('alembic_version') IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Schema:
    """A role's tables. `package`: of its revisions, a dotted name. `command`: what an operator types to migrate."""

    package: str
    command: str

    @property
    def head(self) -> str:
        """The revision that this release works with."""
        return _scripts(self.package).get_heads()[0]

    def knows(self, revision: str) -> bool:
        """Whether this release or an earlier one made such tables."""
        return revision in {script.revision for script in _scripts(self.package).walk_revisions()}

    def missing(self) -> SchemaOutdated:
        """The error for a database without any tables."""
        return SchemaOutdated("there is no database yet, or it is empty", advice=f"Make its tables: {self.command}")

    def older(self) -> SchemaOutdated:
        """The error for a database that an earlier release made."""
        return SchemaOutdated(
            "the database was made by an earlier release",
            advice=f"Back it up, then bring it up to date: {self.command}",
        )

    def newer(self) -> SchemaOutdated:
        """The error for a database that a later release made."""
        return SchemaOutdated(
            "the database was made by a later release",
            advice=f"Install that release again, or restore the back-up that was made before {self.command}",
        )


def migrate(connection: Connection, schema: Schema) -> None:
    """Run the revisions that are missing in the caller's transaction; raises `SchemaOutdated` if there is no way."""
    wait_for_turn(connection, schema.package)
    found = revision_of(connection)
    if found is not None and not schema.knows(found):
        raise schema.newer()
    options = {"fn": _way_to_head(schema), "transactional_ddl": True, "script": _scripts(schema.package)}
    context = MigrationContext.configure(connection, opts=options)
    with Operations.context(context):
        context.run_migrations()


def check_schema(connection: Connection, schema: Schema) -> None:
    """Raise `SchemaOutdated` unless the tables are of this release."""
    found = revision_of(connection)
    if found is None:
        raise schema.missing()
    if found != schema.head:
        raise schema.older() if schema.knows(found) else schema.newer()


def wait_for_turn(connection: Connection, what: str) -> None:
    """Let one transaction at a time do `what`. On SQLite only one writes anyhow."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": zlib.crc32(what.encode())})


def revision_of(connection: Connection) -> str | None:
    """The revision that made a database's tables; none if it has no tables."""
    form = _POSTGRESQL_FORM if connection.dialect.name == "postgresql" else _SQLITE_FORM
    if not connection.exec_driver_sql(form).scalar():
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def _way_to_head(schema: Schema) -> Any:
    def way(revision: Any, _context: MigrationContext) -> Any:
        return _scripts(schema.package)._upgrade_revs(schema.head, revision)  # noqa: SLF001 - what its commands call

    return way


@lru_cache(maxsize=16)
def _scripts(package: str) -> ScriptDirectory:
    """The revisions in a package, wherever it is installed."""
    place = str(files(package))
    return ScriptDirectory(place, version_locations=[place])
