"""A small log in memory with its witnesses, for tests of what others make of one: all keys are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coordinator.transparency_log.entry_bundles import encode_entries
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.cosignature import cosign
from crypto.transparency.frontier import Frontier
from crypto.transparency.note import KeyUse, Note, NoteKey, NoteSignature
from crypto.transparency.receipt import Receipt, TrustedLog
from crypto.transparency.tiles import TILE_WIDTH, TileAt, TileEdge, TreeReader, index_path, width_suffix
from models.log.names import majority, origin_of, witness_name
from models.wire.log_entry import LogEntry
from simulations.enterprise.log_copy import document_line

BUREAU = ParticipantId("bureau")
SEEN_AT = 1_800_000_000


@dataclass
class WitnessedLog:
    """Entries, each with its document if it is published; the bureau's identity and the witnesses'."""

    departments: Sequence[ParticipantId]
    bureau: Identity = field(default_factory=Identity.generate)
    entries: list[LogEntry] = field(default_factory=list)
    documents: dict[int, bytes] = field(default_factory=dict)
    identities: dict[ParticipantId, Identity] = field(init=False)

    def __post_init__(self) -> None:
        self.identities = {name: Identity.generate() for name in self.departments}

    @property
    def trusted(self) -> TrustedLog:
        """What an honest party believes: the bureau's key, all witnesses', and a majority of them."""
        witnesses = tuple(self._witness(name) for name in self.departments)
        return TrustedLog(log_keys=(self._log_key(),), witnesses=witnesses, quorum=majority(len(witnesses)))

    def append(self, entry: LogEntry, document: bytes | None = None) -> int:
        """The place of a new entry."""
        self.entries.append(entry)
        if document is not None:
            self.documents[len(self.entries) - 1] = document
        return len(self.entries) - 1

    def note(self, witnesses: Sequence[ParticipantId] | None = None) -> Note:
        """The log as it is, signed and cosigned; by all, if nobody is named."""
        frontier = Frontier()
        frontier.extend(leaf_digest(entry.encode()) for entry in self.entries)
        text = Checkpoint(origin_of(BUREAU), frontier.size, frontier.root()).encode()
        key = self._log_key()
        note = Note(text, (NoteSignature(key.name, key.key_id, self.bureau.sign_text(text)),))
        named = self.departments if witnesses is None else witnesses
        lines = [cosign(text, self._witness(name), self.identities[name].sign_text, at=SEEN_AT) for name in named]
        return note.with_signatures(lines)

    def receipt(self, index: int, witnesses: Sequence[ParticipantId] | None = None) -> Receipt:
        """That an entry is in the log as it is."""
        tiles = _Tiles(TileEdge().append([leaf_digest(entry.encode()) for entry in self.entries]))
        path = TreeReader(tiles, len(self.entries)).inclusion(index)
        return Receipt(index=index, path=path, note=self.note(witnesses))

    def publish(self, directory: Path, note: Note | None = None) -> Path:
        """Write a copy of it into a directory."""
        (directory / "tile" / "entries").mkdir(parents=True)
        (directory / "checkpoint").write_bytes((note or self.note()).encode())
        for start in range(0, len(self.entries), TILE_WIDTH):
            some = [entry.encode() for entry in self.entries[start : start + TILE_WIDTH]]
            path = directory / "tile" / "entries" / (index_path(start // TILE_WIDTH) + width_suffix(len(some)))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_entries(some))
        lines = [document_line(index, document) for index, document in sorted(self.documents.items())]
        (directory / "documents.jsonl").write_text("".join(lines))
        return directory

    def _log_key(self) -> NoteKey:
        return NoteKey(origin_of(BUREAU), KeyUse.TEXT, self.bureau.public.signing_key)

    def _witness(self, name: ParticipantId) -> NoteKey:
        return NoteKey(witness_name(name), KeyUse.COSIGNATURE, self.identities[name].public.signing_key)


class _Tiles:
    """The tiles of a tree, as they are."""

    def __init__(self, tiles: dict[TileAt, bytes]) -> None:
        self._tiles = tiles

    def tile(self, at: TileAt) -> bytes:
        return self._tiles[at]
