"""An entry that is to come into the log, with its document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crypto.errors import MalformedMessage
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry
from models.wire.logged import entry_of

MAXIMUM_DOCUMENT_BYTES: Final = 1 << 14
"""Of what a `LogExtension` takes."""


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry to be appended. `document`: what others may be shown of it.

    Raises `MalformedMessage` for an entry of a public kind without the document that it is of: departments would take
    in nothing of the log from there on.
    """

    entry: LogEntry
    document: bytes | None = None

    def __post_init__(self) -> None:
        kind = self.entry.kind
        if kind in PUBLIC and len(self.document or b"") > MAXIMUM_DOCUMENT_BYTES:
            raise MalformedMessage("a document is too long for the log")
        if kind in PUBLIC and (self.document is None or entry_of(kind, self.document) != self.entry):
            raise MalformedMessage("a public entry of the log is not of the document that comes with it")

    @classmethod
    def of(cls, kind: EntryKind, document: bytes) -> Logged:
        """The entry of a document of a public kind; raises `MalformedMessage` for what is none."""
        return cls(entry_of(kind, document), document)
