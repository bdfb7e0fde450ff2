"""A node's database: one SQLite file in its home, or PostgreSQL by changing one address.

SQLite is set up to lose nothing: a write-ahead log, synchronised at every commit, in files that their owner alone may
read. A transaction that only reads sees one state of the database and waits for nobody. One that writes:

| on         | what it reads before it writes                                                                      |
|------------|-----------------------------------------------------------------------------------------------------|
| SQLite     | is not changed meanwhile: it takes the lock when it begins, and there is one                        |
| PostgreSQL | may be changed by others: READ COMMITTED, each statement sees what was committed before it. Where   |
|            | that matters, a statement locks rows, or a constraint decides, or `migrations.wait_for_turn` does   |

Tables are made and changed by `migrate` alone (`migrations.py`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, BigInteger, Connection, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from models.hosting.errors import DatabaseUnusable
from models.hosting.storage.migrations import Schema, check_schema, migrate
from models.hosting.storage.statement import driver_connection

URL_FILE: Final = "database.url"
"""In a home: the address of its database on one line. Without it the database is `SQLITE_FILE` in the home."""

SQLITE_FILE: Final = "node.sqlite"

WAIT_SECONDS: Final = 30
"""For another's transaction to end, before a database counts as unusable."""

Seconds = BigInteger
"""The type of a column that holds a time: whole seconds since 1970, UTC."""

_NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
_READS_ONE_STATE: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


def new_metadata() -> MetaData:
    """Where a role's tables are defined; indices and constraints get the same names in every database."""
    return MetaData(naming_convention=_NAMES)


class Database:
    """A role's tables in the database at `url`. Any number of threads and processes may use it at once.

    Raises `DatabaseUnusable` for an address of another kind. Nothing is opened before it is used.
    """

    def __init__(self, url: str, schema: Schema) -> None:
        parsed = _parse(url)
        self.schema = schema
        self._file = Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
        self._engine = _sqlite(self._file) if self._file is not None else _postgresql(parsed)
        self._turns = threading.Lock()

    @property
    def identity(self) -> tuple[int, int] | None:
        """Which file it is, whatever its name; none for one that is no file, or is not there."""
        try:
            status = self._file.stat() if self._file is not None else None
        except FileNotFoundError:
            return None
        return None if status is None else (status.st_dev, status.st_ino)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Begin a transaction that writes: it is on disk when this ends well, and nothing of it is if it does not.

        On PostgreSQL the disk is the server's, as its `synchronous_commit` says; what others do meanwhile: see above.
        """
        with self._turn(), _reported(), self._engine.connect() as connection, connection.begin():
            if self._file is not None:
                driver_connection(connection).execute("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a transaction that only reads, and sees the database as it was at one moment."""
        first = "BEGIN" if self._file is not None else _READS_ONE_STATE
        with _reported(), self._engine.connect() as connection, connection.begin():
            driver_connection(connection).execute(first)
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let one thread at a time write to SQLite, which would have the others look again every few milliseconds."""
        if self._file is None:
            yield
            return
        if not self._turns.acquire(timeout=WAIT_SECONDS):
            raise DatabaseUnusable("another transaction of this process does not end", advice="Restart this node.")
        try:
            yield
        finally:
            self._turns.release()

    def migrate(self) -> None:
        """Bring the tables to this release's form; all of it or nothing. Several may do so at once.

        Raises `SchemaOutdated` for tables of a later release.
        """
        if self._file is not None:
            _make_private(self._file)
        with self.begin() as connection:
            migrate(connection, self.schema)

    def check_schema(self) -> None:
        """Raise `SchemaOutdated` unless the tables are this release's."""
        if self._file is not None and not self._file.is_file():
            raise self.schema.missing()
        with self.reading() as connection:
            check_schema(connection, self.schema)

    def is_current(self) -> bool:
        """Whether it answers, with the tables of this release; for a node's readiness."""
        try:
            self.check_schema()
        except DatabaseUnusable:
            return False
        return True

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def database_url(directory: Path) -> str:
    """The address that the home in `directory` names, or that of its own SQLite file."""
    path = directory / URL_FILE
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return f"sqlite:///{directory.resolve() / SQLITE_FILE}"
    except (OSError, UnicodeDecodeError) as fault:
        raise DatabaseUnusable(f"{path} cannot be read ({type(fault).__name__})") from None


def _parse(url: str) -> URL:
    advice = "Write sqlite:///path or postgresql://user:password@host/name into database.url, and nothing else."
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnusable("the database's address cannot be understood", advice=advice) from None
    if parsed.get_backend_name() == "sqlite" and parsed.database not in {None, "", ":memory:"} and not parsed.query:
        return parsed
    if parsed.drivername in {"postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise DatabaseUnusable("the database is neither a SQLite file nor on PostgreSQL", advice=advice)


def _sqlite(path: Path) -> Engine:
    # Opened for reading and writing, never made: `migrate` makes the file, with the mode that it should have.
    url = URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "rw", "uri": "true"})
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": WAIT_SECONDS}, paramstyle="named")
    event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # a transaction begins where `Database` says; also one that makes tables
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -65536"):
        connection.execute(f"PRAGMA {pragma}")


def _postgresql(url: URL) -> Engine:
    # Ours first: what the operator's address says of the same goes before it.
    options = f"-c lock_timeout={WAIT_SECONDS}s {_last(url, 'options')}".rstrip()
    seconds = _last(url, "connect_timeout") or str(WAIT_SECONDS)
    url = url.update_query_dict({"options": options, "connect_timeout": seconds})
    return create_engine(url, hide_parameters=True, pool_pre_ping=True)


def _last(url: URL, name: str) -> str:
    """What an address says of `name`, the last time it does; nothing if it does not."""
    said = url.query.get(name, "")
    return said if isinstance(said, str) else said[-1]


def _make_private(path: Path) -> None:
    """Make the file if there is none; SQLite gives its log and index the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as fault:
        raise DatabaseUnusable(
            f"the database's file cannot be made ({type(fault).__name__})", advice="Look at the disk of this home."
        ) from None


@contextmanager
def _reported() -> Iterator[None]:
    """Say of an error of the database only what kind it is: its text has addresses and values in it."""
    try:
        yield
    except _errors() as fault:
        raise DatabaseUnusable(
            f"the database cannot be used ({_kind(fault)})", advice="Look at the database's own log and its disk."
        ) from None


def _errors() -> tuple[type[Exception], ...]:
    """What databases raise. A node on SQLite loads PostgreSQL's driver only when it comes to that."""
    import psycopg

    return SQLAlchemyError, sqlite3.Error, psycopg.Error


def _kind(fault: Any) -> str:
    """The class of an error, and the database's own code for it."""
    origin = getattr(fault, "orig", None) or fault
    code = getattr(origin, "sqlite_errorname", None) or getattr(origin, "sqlstate", None)
    return f"{type(origin).__name__} {code}" if code else type(origin).__name__
