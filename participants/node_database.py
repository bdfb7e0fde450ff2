"""A participant's database, found by its role: departments and banks do not know each other's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from crypto.errors import ProtocolStateError
from crypto.identifiers import Role
from models.hosting.database import Database, database_url
from models.hosting.migrations import Schema

_SCHEMAS: Final = {
    Role.DEPARTMENT: Schema("participants.department.database.migrations", "yurong department migrate"),
    Role.BANK: Schema("participants.bank.database.migrations", "yurong bank migrate"),
}


def node_database(directory: Path, role: Role) -> Database:
    """The database of the home in `directory`, not looked at yet: for `migrate`."""
    if role not in _SCHEMAS:
        raise ProtocolStateError("only departments and banks are participants")
    return Database(database_url(directory), _SCHEMAS[role])


def open_node_database(directory: Path, role: Role) -> Database:
    """The same, its tables those of this release; raises `SchemaOutdated` if they are not."""
    database = node_database(directory, role)
    database.check_schema()
    return database


def create_node_database(directory: Path, role: Role) -> None:
    """Make the tables for a new home."""
    database = node_database(directory, role)
    database.migrate()
    database.close()
