"""A bank's database: consents, requests under way, the scores that it was given and their receipts, its approvals.

| table           | one row is                                                                              |
|-----------------|-----------------------------------------------------------------------------------------|
| `open_requests` | a score request that is not opened yet: after a restart the same bytes can be sent again |
| `scores`        | a score, about whom and by whom                                                         |
| `consents`      | a consent that an enterprise gave this bank                                             |
| `consent_uses`  | a use of a consent: which request has which number                                      |
| `receipts`      | that a request is in the log, and what came with the answer besides the score           |
| `approvals`     | a run that the operator was asked about                                                 |
"""

from __future__ import annotations

from crypto.identifiers import Role
from models.hosting.storage.database import Database
from participants.home import Home
from participants.node_database import create_node_database, open_node_database


def open_database(home: Home) -> Database:
    """A bank's database; raises `SchemaOutdated` unless its tables are this release's."""
    return open_node_database(home.directory, Role.BANK)


def create_database(home: Home) -> None:
    """Make the tables for a new home."""
    create_node_database(home.directory, Role.BANK)
