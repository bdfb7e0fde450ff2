"""A node's database: what it promises of transactions, files and errors, on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from crypto.identifiers import Role
from models.hosting.errors import DatabaseUnusable, SchemaOutdated
from models.hosting.storage.database import Database, database_url
from participants.node_database import new_database, node_database, open_node_database
from simulations.postgresql import PostgresqlServer

COUNT, ADD = text("SELECT count(*) FROM answered"), text("INSERT INTO answered VALUES (:question, :members)")
ROW, OTHER = {"question": b"q" * 16, "members": b"m" * 32}, {"question": b"o" * 16, "members": b"m" * 32}
SECRET = "open-sesame"


@pytest.fixture
def second(database_url: str, department_database: Database) -> Iterator[Database]:
    """The same database, as another process has it."""
    made = new_database(database_url, Role.DEPARTMENT)
    made.check_schema()
    assert made.identity == department_database.identity
    yield made
    made.close()


def count(database: Database) -> int:
    with database.reading() as connection:
        found: int = connection.execute(COUNT).scalar_one()
    return found


def test_a_transaction_is_there_whole_or_not_at_all(department_database: Database, second: Database) -> None:
    with contextlib.suppress(ZeroDivisionError), department_database.begin() as connection:
        connection.execute(ADD, ROW)
        _ = 1 / 0
    assert count(second) == 0
    with department_database.begin() as connection:
        connection.execute(ADD, ROW)
        assert count(second) == 0  # whoever reads waits for nobody, and sees nothing that may yet be undone
    assert count(second) == 1


def test_who_reads_sees_one_state_of_the_database(department_database: Database, second: Database) -> None:
    with second.reading() as connection:
        before = connection.execute(COUNT).scalar_one()
        with department_database.begin() as writing:
            writing.execute(ADD, ROW)
        assert connection.execute(COUNT).scalar_one() == before
    assert count(second) == before + 1


def test_threads_that_write_at_once_take_turns(department_database: Database) -> None:
    def add(number: int) -> None:
        with department_database.begin() as connection:
            found = connection.execute(COUNT).scalar_one()
            connection.execute(ADD, ROW | {"question": bytes([number]) * 16})
            assert connection.execute(COUNT).scalar_one() > found

    threads = [threading.Thread(target=add, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(department_database) == 16


def test_an_error_of_the_database_tells_neither_values_nor_address(department_database: Database) -> None:
    rows = [{"question": b"a-secret-question", "members": SECRET.encode()}] * 2
    with pytest.raises(DatabaseUnusable) as caught, department_database.begin() as connection:
        connection.execute(ADD, rows)
    told = f"{caught.value.message} {caught.value.advice} {caught.value!r}"
    assert "IntegrityError" in told or "UniqueViolation" in told
    assert not [word for word in ("secret", SECRET, "answered", "node.sqlite", "INSERT", "host=") if word in told]
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://someone:{SECRET}@127.0.0.1:1/nowhere",
        f"mysql://someone:{SECRET}@127.0.0.1/nowhere",
        f"postgresql://someone:{SECRET}@127.0.0.1:port/nowhere",
        f"sqlite:///nowhere/{SECRET}?mode=memory",
        "sqlite://",
        SECRET,
        "",
    ],
)
def test_a_database_that_cannot_be_had_is_one_error_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseUnusable) as caught:
        new_database(url, Role.BANK).check_schema()
    assert SECRET not in f"{caught.value.message} {caught.value.advice} {caught.value!r}"
    assert "\n" not in caught.value.message


def test_what_an_operator_says_of_a_connection_to_postgresql_counts_beside_ours(postgresql: PostgresqlServer) -> None:
    address = postgresql.new_database()
    mark = "&" if "?" in address else "?"
    for more, statement, lock in (
        ("", "0", "30s"),
        (f"{mark}options=-c%20statement_timeout%3D7s&connect_timeout=3", "7s", "30s"),
        (f"{mark}options=-c%20lock_timeout%3D5s", "0", "5s"),
    ):
        database = new_database(address + more, Role.DEPARTMENT)
        with database.reading() as connection:
            read = [
                connection.exec_driver_sql(f"SHOW {name}").scalar() for name in ("statement_timeout", "lock_timeout")
            ]
            parameters = connection.connection.dbapi_connection.info.get_parameters()  # type: ignore[union-attr]
        assert read == [statement, lock]
        assert parameters["connect_timeout"] == ("3" if "connect_timeout" in more else "30")
        database.close()


def test_sqlite_loses_nothing_and_its_files_are_the_owners(tmp_path: Path) -> None:
    database = node_database(tmp_path, Role.DEPARTMENT)
    database.migrate()
    with database.begin() as connection:
        connection.execute(ADD, ROW)
        read = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert read == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    assert modes == {0o600}
    database.close()


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "node.sqlite").write_bytes(b"not a database at all, and long enough to be looked at" * 20)
    with pytest.raises(DatabaseUnusable):
        open_node_database(tmp_path, Role.DEPARTMENT)


def test_no_database_is_made_by_looking_for_it(tmp_path: Path) -> None:
    with pytest.raises(SchemaOutdated):
        open_node_database(tmp_path, Role.DEPARTMENT)
    assert list(tmp_path.iterdir()) == []


def test_a_home_names_its_database_in_a_file(tmp_path: Path) -> None:
    assert database_url(tmp_path) == f"sqlite:///{tmp_path.resolve()}/node.sqlite"
    (tmp_path / "database.url").write_text("postgresql://host/name\n")
    assert database_url(tmp_path) == "postgresql://host/name"
    (tmp_path / "database.url").write_bytes(b"\xff")
    with pytest.raises(DatabaseUnusable):
        database_url(tmp_path)


def test_a_home_that_is_made_anew_in_the_same_place_has_its_new_database(tmp_path: Path) -> None:
    for row in (ROW, OTHER):
        node_database(tmp_path, Role.DEPARTMENT).migrate()
        opened = open_node_database(tmp_path, Role.DEPARTMENT)
        assert opened is open_node_database(tmp_path, Role.DEPARTMENT)
        with opened.begin() as connection:
            connection.execute(ADD, row)
        assert count(opened) == 1
        opened.close()
        (tmp_path / "node.sqlite").rename(tmp_path / f"kept-{row['question'].hex()}")
