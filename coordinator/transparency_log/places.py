"""What belongs to the log's entries and is written with them: their documents, and where they are.

An entry of a kind in `ONCE` is appended once, however often it is asked for: whoever asks again is told its first place
and the checkpoint that had it then, byte by byte. Others count by their order, and are appended each time.

Places of requests and answers are forgotten when nobody can ask again; their entries and documents stay.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from coordinator.database.tables import log_documents
from models.hosting.storage.statement import Prepared
from models.wire.log_entry import TAG_BYTES, EntryKind, LogEntry

ONCE: Final = frozenset(
    {
        EntryKind.PARTICIPANT,
        EntryKind.PASSKEY,
        EntryKind.CONSENT,
        EntryKind.CONSENT_CHANGE,
        EntryKind.REQUEST,
        EntryKind.ANSWER,
    }
)
KEPT_SECONDS: Final = 2 * 24 * 3600
"""So long the place of a request is known, which is far longer than any request is valid."""

_FIND: Final = Prepared("SELECT position, size, checkpoint FROM log_places WHERE entry = :entry")
_FIND_REQUEST: Final = Prepared(
    "SELECT position, size, checkpoint FROM log_places"
    " WHERE entry >= :first AND entry <= :last ORDER BY position LIMIT 1"
)
_KEEP: Final = Prepared(
    "INSERT INTO log_places (entry, kind, position, size, checkpoint, placed_at)"
    " VALUES (:entry, :kind, :position, :size, :checkpoint, :now)"
)
_KEEP_DOCUMENT: Final = Prepared(
    "INSERT INTO log_documents (position, kind, document) VALUES (:position, :kind, :document)"
)
_FORGET: Final = Prepared("DELETE FROM log_places WHERE placed_at < :oldest AND kind IN (:request, :answer)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is, and the first checkpoint that had it: of `size` entries, a note signed by the log."""

    index: int
    size: int
    note: bytes


def find(connection: Connection, entry: LogEntry) -> Place | None:
    """Where an entry of a kind in `ONCE` is, if it is known."""
    row = _FIND.run(connection, entry=entry.encode()).fetchone()
    return None if row is None else Place(*row)


def find_request(connection: Connection, digest: bytes) -> Place | None:
    """Where the request of this digest (32 bytes) is, whatever its tag, if it is known still."""
    first, last = (LogEntry(kind=EntryKind.REQUEST, digest=digest, tag=bytes([end]) * TAG_BYTES) for end in (0, 255))
    row = _FIND_REQUEST.run(connection, first=first.encode(), last=last.encode()).fetchone()
    return None if row is None else Place(*row)


def keep(connection: Connection, entry: LogEntry, place: Place, *, now: int) -> None:
    """Write down where an entry is."""
    _KEEP.run(
        connection,
        entry=entry.encode(),
        kind=int(entry.kind),
        position=place.index,
        size=place.size,
        checkpoint=place.note,
        now=now,
    )


def forget_before(connection: Connection, now: int) -> None:
    """Forget where requests and answers are that nobody asks for any more."""
    request, answer = int(EntryKind.REQUEST), int(EntryKind.ANSWER)
    _FORGET.run(connection, oldest=now - KEPT_SECONDS, request=request, answer=answer)


def keep_document(connection: Connection, index: int, kind: EntryKind, document: bytes) -> None:
    """Write down the document of an entry."""
    _KEEP_DOCUMENT.run(connection, position=index, kind=int(kind), document=document)


def documents(
    connection: Connection, kinds: Collection[EntryKind], *, start: int = 0, end: int | None = None
) -> dict[int, bytes]:
    """The documents of entries of these kinds from `start` to before `end`, by index and in order."""
    chosen = select(log_documents.c.position, log_documents.c.document).order_by(log_documents.c.position)
    chosen = chosen.where(log_documents.c.kind.in_(sorted(kinds)), log_documents.c.position >= start)
    if end is not None:
        chosen = chosen.where(log_documents.c.position < end)
    return {row.position: row.document for row in connection.execute(chosen)}
