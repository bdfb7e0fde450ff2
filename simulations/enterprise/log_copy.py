"""A copy of the whole log, as the bureau publishes it, verified so that nothing in it can be missing.

    checkpoint                   the state of the log, signed by it and cosigned by its witnesses
    tile/entries/x001/234        the entries of 256 leaves, and `.p/17` at the end (C2SP tlog-tiles)
    documents.jsonl              {"index": place of an entry, "document": hexadecimal}

The root is computed from all entries. If it is the checkpoint's, these are all entries that the log has at that size:
nobody can leave one out. Documents are published beside them; each must be the one of which its entry has the digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coordinator.transparency_log.entry_bundles import decode_entries
from crypto.documents import parse_json_object
from crypto.errors import MalformedMessage, PeerError
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.frontier import MAXIMUM_SIZE, Frontier
from crypto.transparency.note import Note
from crypto.transparency.receipt import TrustedLog
from crypto.transparency.tiles import TILE_WIDTH, index_path, width_suffix
from models.log.errors import CopyRefused
from models.log.receipts import cosigned
from models.wire.document_fields import bytes_of, require_number
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry
from models.wire.logged import digest_of

MAXIMUM_LINE_BYTES: Final = 1 << 17

_ADVICE: Final = "Fetch the copy again; if it stays so, ask the departments which state of the log they have seen."
_UNHASHED: Final = frozenset({EntryKind.PASSKEY, EntryKind.CONSENT})
"""Documents of these kinds name an enterprise and are never published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCopy:
    """All entries of a log at one size, its witnesses, and the documents that were published with it, by place."""

    checkpoint: Checkpoint
    witnesses: dict[str, int]
    entries: tuple[bytes, ...]
    documents: dict[int, bytes]

    @classmethod
    def read(cls, directory: Path, log: TrustedLog) -> LogCopy:
        """The copy in a directory.

        1. The log signed the checkpoint, and enough witnesses cosigned it, else `SignatureInvalid`, `TooFewWitnesses`.
        2. The entries lead to its root, else `CopyRefused`.
        3. Each document is that of its entry, else `CopyRefused`.
        """
        note = Note.decode(_bytes(directory / "checkpoint"))
        checkpoint = log.checkpoint(note)
        entries = tuple(_entries(directory, checkpoint.size))
        frontier = Frontier()
        frontier.extend(map(leaf_digest, entries))
        if (frontier.size, frontier.root()) != (checkpoint.size, checkpoint.root):
            raise CopyRefused("a copy of the log has other entries than the log has signed", advice=_ADVICE)
        documents = dict(_documents(directory / "documents.jsonl", entries))
        return cls(checkpoint=checkpoint, witnesses=cosigned(note, log), entries=entries, documents=documents)

    def of_kind(self, kind: EntryKind) -> Iterator[tuple[int, LogEntry]]:
        """The entries of one kind, with their places, in order. Entries of later releases' kinds are passed over."""
        for index, data in enumerate(self.entries):
            if data[0] == kind:
                yield index, LogEntry.decode(data)


def _entries(directory: Path, size: int) -> Iterator[bytes]:
    for index in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        path = directory / "tile" / "entries" / index_path(index)
        if width < TILE_WIDTH and not path.exists():
            path = directory / "tile" / "entries" / (index_path(index) + width_suffix(width))
        found = decode_entries(_bytes(path))
        if len(found) < width:
            raise CopyRefused("a copy of the log lacks entries", advice=_ADVICE)
        yield from found[:width]


def _documents(path: Path, entries: tuple[bytes, ...]) -> Iterator[tuple[int, bytes]]:
    if not path.exists():
        return
    with path.open("rb") as lines:
        while line := lines.readline(MAXIMUM_LINE_BYTES):
            try:
                fields = parse_json_object(line)
                index, document = fields["index"], bytes_of(fields["document"])
                require_number("index", index, 0, MAXIMUM_SIZE)
                if index >= len(entries):
                    continue  # a newer checkpoint, which is written last, will have it
                entry = LogEntry.decode(entries[index])
                if _digest(entry.kind, document) != entry.digest:
                    raise MalformedMessage("another document than the entry's")
            except (PeerError, KeyError):
                raise CopyRefused("a copy of the log has a document that is not of its entry", advice=_ADVICE) from None
            yield index, document


def _digest(kind: EntryKind, document: bytes) -> bytes:
    if kind in PUBLIC:
        return digest_of(kind, document)
    if kind in _UNHASHED:
        raise MalformedMessage("a document of this kind is not published")
    return hashlib.sha256(document).digest()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise CopyRefused(f"{path} cannot be read: {fault.strerror}", advice=_ADVICE) from None


def document_line(index: int, document: bytes) -> str:
    """The line of `documents.jsonl` for the document of an entry, as whoever publishes a copy writes it."""
    return json.dumps({"index": index, "document": document.hex()}) + "\n"
