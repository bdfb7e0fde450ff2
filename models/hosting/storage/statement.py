"""Statements that are run for every score request, each many times a second.

SQLAlchemy takes 30 to 100 microseconds for a statement that SQLite runs in 5. These are put into the driver's form once
and handed to the driver, in the transaction of the connection that they are given.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text


class Prepared:
    """One statement in SQL that every database understands, its values as `:name`."""

    def __init__(self, statement: str) -> None:
        self._statement = text(statement)
        self._compiled: dict[str, str] = {}

    def run(self, connection: Connection, **values: int | str | bytes | None) -> Any:
        """Run it; return the driver's cursor, for `fetchone`, `fetchall` or `rowcount`."""
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = str(self._statement.compile(dialect=dialect))
        return driver_connection(connection).execute(compiled, values)


def driver_connection(connection: Connection) -> Any:
    """The driver's own connection (`sqlite3` or `psycopg`), in the same transaction. Both have `execute`."""
    return connection.connection.dbapi_connection
