"""The bureau's database: runs, models and who made them, score requests. No enterprise is in any of it.

| table           | one row is                                                             |
|-----------------|------------------------------------------------------------------------|
| `runs`          | a training run and how far it came                                     |
| `models`        | a model, and whether scores are given by it                            |
| `model_members` | a participant of a model: its signed document and block's fingerprint  |
| `requests`      | a score request: who asked, when, by which model, and what came of it  |
| `log_head`      | the state of the transparency log: its size and signed checkpoint      |
| `log_staged`    | entries of it that may not be in its tiles yet                         |
| `log_pending`   | an entry that a command has for it, until it is appended               |
| `log_documents` | the document of an entry, as far as others are shown it                |
| `log_places`    | where an entry is, so that it is not appended twice                    |
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from models.hosting.storage.database import Database, database_url
from models.hosting.storage.migrations import Schema

SCHEMA: Final = Schema("coordinator.database.migrations", "yurong bureau migrate")


class BureauHome(Protocol):
    """The bureau's home, as far as its database needs it."""

    @property
    def directory(self) -> Path:
        """Where it is."""
        ...


def open_database(home: BureauHome) -> Database:
    """The bureau's database; raises `SchemaOutdated` unless its tables are this release's."""
    database = Database(database_url(home.directory), SCHEMA)
    database.check_schema()
    return database


def create_database(home: BureauHome) -> None:
    """Make the tables for a new home."""
    database = Database(database_url(home.directory), SCHEMA)
    database.migrate()
    database.close()
