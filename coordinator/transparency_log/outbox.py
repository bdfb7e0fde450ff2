"""What operators' commands have for the log, until the process that serves appends it.

A command writes what it does and the entry of it in one transaction: a model is not approved without its entry, and the
other way round. The process that serves the log takes what waits before anything else that it appends, in the
transaction that appends it. So whatever is asked after a command has ended stands behind it in the log.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from coordinator.transparency_log.logged import Logged
from models.hosting.storage.statement import Prepared
from models.wire.log_entry import EntryKind, LogEntry

TAKEN_AT_ONCE: Final = 4096

_PUT: Final = Prepared("INSERT INTO log_pending (entry, document) VALUES (:entry, :document)")
_TAKE: Final = Prepared("SELECT id, entry, document FROM log_pending ORDER BY id LIMIT :most")
_REMOVE: Final = Prepared("DELETE FROM log_pending WHERE id = :id")
_ANY: Final = Prepared("SELECT id FROM log_pending LIMIT 1")


def put(connection: Connection, kind: EntryKind, document: bytes) -> None:
    """Have the entry of a document of a public kind appended, if the caller's transaction comes to pass.

    Raises `MalformedMessage` for what is no such document.
    """
    _PUT.run(connection, entry=Logged.of(kind, document).entry.encode(), document=document)


def is_empty(connection: Connection) -> bool:
    """Whether nothing waits."""
    return _ANY.run(connection).fetchone() is None


def waiting(connection: Connection) -> list[Logged]:
    """What waits, in the order in which it was put; it stays."""
    return [one for _, one in _rows(connection)]


def take(connection: Connection) -> list[Logged]:
    """What waits, in the order in which it was put; it is gone if the caller's transaction comes to pass."""
    taken = []
    # One by one: what another transaction puts meanwhile may have a smaller number and not be seen here.
    for number, one in _rows(connection):
        _REMOVE.run(connection, id=number)
        taken.append(one)
    return taken


def _rows(connection: Connection) -> list[tuple[int, Logged]]:
    rows = _TAKE.run(connection, most=TAKEN_AT_ONCE).fetchall()
    return [(number, Logged(LogEntry.decode(entry), document)) for number, entry, document in rows]
