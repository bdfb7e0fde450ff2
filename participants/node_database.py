"""A participant's database, found by its role: departments and banks do not know each other's tables."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from crypto.errors import ProtocolStateError
from crypto.identifiers import Role
from models.hosting.storage.database import Database, database_url
from models.hosting.storage.migrations import Schema

_SCHEMAS: Final = {
    Role.DEPARTMENT: Schema("participants.department.database.migrations", "yurong department migrate"),
    Role.BANK: Schema("participants.bank.database.migrations", "yurong bank migrate"),
}


def new_database(url: str, role: Role) -> Database:
    """A participant's database at an address, not looked at yet: for `migrate`."""
    if role not in _SCHEMAS:
        raise ProtocolStateError("only departments and banks are participants")
    return Database(url, _SCHEMAS[role])


def node_database(directory: Path, role: Role) -> Database:
    """The database of the home in `directory`, not looked at yet."""
    return new_database(database_url(directory), role)


def open_node_database(directory: Path, role: Role) -> Database:
    """The same, its tables those of this release; raises `SchemaOutdated` if they are not.

    It is opened once a process: whoever has this home open shares its connections.
    """
    identity = node_database(directory, role).identity
    return _checked(database_url(directory), identity, role)


@lru_cache(maxsize=256)
def _checked(url: str, _identity: tuple[int, int] | None, role: Role) -> Database:
    """A database in use. A home that was made anew in the same place has another file."""
    database = Database(url, _SCHEMAS[role])
    database.check_schema()
    return database


def create_node_database(directory: Path, role: Role) -> None:
    """Make the tables for a new home."""
    database = node_database(directory, role)
    database.migrate()
    database.close()
