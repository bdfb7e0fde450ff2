"""A department's database: partials, what it remembers of score requests, its imports, its approvals.

| table            | one row is                                                                        |
|------------------|-----------------------------------------------------------------------------------|
| `partial_tables` | a model: which of the partials are its own, and that of an enterprise without a record |
| `partials`       | one enterprise's partial score by one model                                       |
| `requests`       | a score request that was answered, until some time after it expired               |
| `mask_contexts`  | a mask of such a request, as long                                                 |
| `answered`       | with which set of departments an enterprise was answered to a bank, for good      |
| `imports`        | a file of records that was taken in                                               |
| `approvals`      | a run that the operator was asked about                                           |
"""

from __future__ import annotations

from crypto.identifiers import Role
from models.hosting.storage.database import Database
from participants.home import Home
from participants.node_database import create_node_database, open_node_database


def open_database(home: Home) -> Database:
    """A department's database; raises `SchemaOutdated` unless its tables are this release's."""
    return open_node_database(home.directory, Role.DEPARTMENT)


def create_database(home: Home) -> None:
    """Make the tables for a new home."""
    create_node_database(home.directory, Role.DEPARTMENT)
