"""What a department remembers of the log's entries, each written in the transaction in which it is taken in.

| kind of entry              | remembered                                    | why                                    |
|----------------------------|-----------------------------------------------|----------------------------------------|
| PASSKEY, CONSENT           | the place of the first entry with the digest  | a consent is in the log before its use |
| REQUEST                    | the place of the first entry with the tag     | of two requests the first is the use   |
| PERMISSION, MODEL_APPROVED | the document                                  | the last one of a subject counts       |
| CONSENT_CHANGE             | the document, found by its tag                | all of them count, in their order      |

Others are part of the tree and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from crypto.errors import MalformedMessage
from models.hosting.storage.statement import Prepared
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry
from models.wire.logged import digest_of

_PLACED: Final = frozenset({EntryKind.PASSKEY, EntryKind.CONSENT})
_NOTICES: Final = frozenset({EntryKind.PERMISSION, EntryKind.MODEL_APPROVED, EntryKind.CONSENT_CHANGE})

_PLACE: Final = Prepared(
    "INSERT INTO log_digests (digest, position) VALUES (:digest, :position) ON CONFLICT DO NOTHING"
)
_POSITION: Final = Prepared("SELECT position FROM log_digests WHERE digest = :digest")
_USE: Final = Prepared(
    "INSERT INTO log_uses (tag, position, digest, seen_at) VALUES (:tag, :position, :digest, :now)"
    " ON CONFLICT DO NOTHING"
)
_USED: Final = Prepared("SELECT position, digest, seen_at FROM log_uses WHERE tag = :tag")
_NOTICE: Final = Prepared(
    "INSERT INTO log_notices (position, kind, tag, document) VALUES (:position, :kind, :tag, :document)"
)
_OF_TAG: Final = Prepared(
    "SELECT position, document FROM log_notices WHERE kind = :kind AND tag = :tag ORDER BY position"
)
_OF_KIND: Final = Prepared(
    "SELECT position, document FROM log_notices WHERE kind = :kind AND position >= :start ORDER BY position"
)


@dataclass(frozen=True, slots=True)
class LoggedUse:
    """The first entry with a use's tag. seen_at: when this department took it in, seconds since 1970."""

    position: int
    digest: bytes
    seen_at: int


@dataclass(frozen=True, slots=True)
class Notice:
    """A public document, and the place of its entry."""

    position: int
    document: bytes


def read_entries(entries: Sequence[bytes], documents: Sequence[bytes]) -> list[tuple[LogEntry, bytes]]:
    """Each entry with its document, or nothing for the kinds that are not public.

    Raises `MalformedMessage` for an entry that is none, and if the documents are not those of the public entries.
    """
    rest, read = iter(documents), []
    for data in entries:
        entry = LogEntry.decode(data)
        document = next(rest, None) if entry.kind in PUBLIC else b""
        if document is None or (entry.kind in PUBLIC and digest_of(entry.kind, document) != entry.digest):
            raise MalformedMessage("the log shows an entry without its document")
        read.append((entry, document))
    if next(rest, None) is not None:
        raise MalformedMessage("the log shows a document without its entry")
    return read


def remember(
    connection: Connection,
    start: int,
    entries: Iterable[tuple[LogEntry, bytes]],
    *,
    now: int,
    counts: Callable[[EntryKind, bytes], bool],
) -> None:
    """Remember entries, the first of which is at `start`, taken in at `now`. counts: whether a public document does."""
    for position, (entry, document) in enumerate(entries, start):
        if entry.kind in _PLACED:
            _PLACE.run(connection, digest=entry.digest, position=position)
        elif entry.kind is EntryKind.REQUEST:
            _USE.run(connection, tag=entry.tag, position=position, digest=entry.digest, now=now)
        elif entry.kind in _NOTICES and counts(entry.kind, document):
            _NOTICE.run(connection, position=position, kind=int(entry.kind), tag=entry.tag, document=document)


def position_of(connection: Connection, digest: bytes) -> int | None:
    """Where a consent or a passkey stands in the log; None if it does not, as far as this department has seen it."""
    row = _POSITION.run(connection, digest=digest).fetchone()
    return None if row is None else int(row[0])


def use_of(connection: Connection, tag: bytes) -> LoggedUse | None:
    """The use of this tag."""
    row = _USED.run(connection, tag=tag).fetchone()
    return None if row is None else LoggedUse(int(row[0]), bytes(row[1]), int(row[2]))


def notices_of_tag(connection: Connection, kind: EntryKind, tag: bytes) -> list[Notice]:
    """The public documents of this kind and tag, in the order of the log."""
    return [Notice(int(row[0]), bytes(row[1])) for row in _OF_TAG.run(connection, kind=int(kind), tag=tag).fetchall()]


def notices_of_kind(connection: Connection, kind: EntryKind, *, start: int = 0) -> list[Notice]:
    """The public documents of this kind from a place on, in the order of the log."""
    rows = _OF_KIND.run(connection, kind=int(kind), start=start).fetchall()
    return [Notice(int(row[0]), bytes(row[1])) for row in rows]
