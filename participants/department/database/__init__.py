"""A department's database: partials, what it remembers of score requests, its imports, its approvals.

| table            | one row is                                                                        |
|------------------|-----------------------------------------------------------------------------------|
| `partial_tables` | a model: which of the partials are its own, and that of an enterprise without a record |
| `partials`       | one enterprise's partial score by one model, and what it loses by reason family    |
| `requests`       | a score request that was answered, until some time after it expired               |
| `mask_contexts`  | a mask of such a request, as long                                                 |
| `answered`       | with which set of departments an enterprise was answered to a bank, for good      |
| `imports`        | a file of records that was taken in                                               |
| `approvals`      | a run that the operator was asked about                                           |
| `log_seen`       | what this department has seen of the transparency log, and cosigned last          |
| `log_roots`      | the log's root at one of the last sizes that it had                               |
| `log_digests`    | where a consent or a passkey stands in the log                                    |
| `log_uses`       | where a use of a consent stands in the log: the first entry with its tag          |
| `log_notices`    | a public document of the log: a permission, an approval, a change of a consent    |
| `log_alarms`     | evidence that the log is not what it was                                          |
| `consents`       | a consent that a bank handed in and that was verified                             |
| `handed_changes` | a change of a consent that was handed to this department itself                   |
| `data_uses`      | a use of this department's data                                                   |
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
