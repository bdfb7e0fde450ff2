"""Appending to the transparency log, so that it is at any moment without an entry or with it, and never forked.

    swap        the head in the database becomes the new size and its signed checkpoint, if it was the old one
    stage       in the same transaction the entries are written down, under the size that the log had
    apply       the entries go into the tiles: once more if need be, since the same entries make the same tiles
    settle      now and then the tiles are forced to the disk, and what was staged for them is removed

What belongs to the entries (`Batch`) is written in that transaction too: it is there when they are.

The head in the database is the log. A checkpoint leaves this process only as the head, or as a beginning of the head:
two of one size would be a fork.
Whoever opens the log applies what is staged, by the same code, and compares what comes of it with the head.

`create` is a step of its own: a log that is not there is not made by opening it, and one that is there is not replaced.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from sqlalchemy import Connection, insert, select, update

from coordinator.database.tables import log_head, log_staged
from coordinator.errors import LogContended, LogDamaged, LogExists, LogMissing
from coordinator.transparency_log.entry_bundles import decode_entries, encode_entries
from coordinator.transparency_log.tile_files import TileFiles
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import Checkpoint, signed_checkpoint
from crypto.transparency.frontier import EMPTY_ROOT
from crypto.transparency.note import KeyUse, Note, NoteKey, NoteSignature
from crypto.transparency.tiles import TILE_WIDTH, CompleteTiles, TileEdge, TreeReader
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared

SETTLE_EVERY: Final = 1024
"""Entries between two times that the tiles are forced to the disk."""

_SWAP: Final = Prepared(
    "UPDATE log_head SET size = :size, checkpoint = :checkpoint WHERE origin = :origin AND size = :old_size"
)
_STAGE: Final = Prepared("INSERT INTO log_staged (origin, start, entries) VALUES (:origin, :start, :entries)")
_UNSTAGE: Final = Prepared("DELETE FROM log_staged WHERE origin = :origin AND start < :settled")


@dataclass(frozen=True, slots=True)
class LogSigner:
    """The log's key: what others verify with, and what signs a text. `earlier`: keys that it may have had before."""

    key: NoteKey
    sign: Callable[[bytes], bytes]
    earlier: tuple[NoteKey, ...] = ()

    @classmethod
    def named(
        cls, origin: str, public: bytes, sign: Callable[[bytes], bytes], *, earlier: Collection[NoteKey] = ()
    ) -> Self:
        """The key (Ed25519, 32 bytes) of the log `origin`."""
        return cls(NoteKey(origin, KeyUse.TEXT, public), sign, tuple(earlier))

    def checkpoint(self, size: int, root: bytes) -> Note:
        """A state of the log, signed."""
        text = Checkpoint(self.key.name, size, root).encode()
        return Note(text, (NoteSignature(self.key.name, self.key.key_id, self.sign(text)),))


class Batch(Protocol):
    """What is appended at once, decided and accompanied in the transaction that appends it."""

    def entries(self, connection: Connection) -> Sequence[bytes]:
        """The entries; none if there is nothing to append."""
        ...

    def placed(self, connection: Connection, start: int, note: Note) -> None:
        """Write what belongs to them: the first is at `start`, and `note` is the checkpoint that has them."""
        ...


@dataclass(frozen=True, slots=True)
class _Entries:
    """Entries that nothing belongs to."""

    given: Sequence[bytes]

    def entries(self, _connection: Connection) -> Sequence[bytes]:
        return self.given

    def placed(self, _connection: Connection, _start: int, _note: Note) -> None:
        return


class TransparencyLog:
    """One log, which this process alone appends to. Threads take turns.

    Opening it applies what an earlier process has staged. Raises `LogMissing` and `LogDamaged`.
    """

    def __init__(self, directory: Path, database: Database, signer: LogSigner) -> None:
        self._database, self._signer = database, signer
        self._files = TileFiles(directory)
        self._complete = CompleteTiles()
        self._turn = threading.Lock()
        self._usable = True
        self.note, staged = self._read_head()
        checkpoint = signed_checkpoint(self.note, (signer.key, *signer.earlier))
        self._settled = self._files.settled
        self._edge = TileEdge(self._settled, self._files)
        self._frontier = TreeReader(self._files, self._settled).frontier()
        self._bundle = self._partial_bundle()
        for start, entries in staged:
            if start == self.size:
                self._apply(decode_entries(entries))
        if (self.size, self._frontier.root()) != (checkpoint.size, checkpoint.root):
            raise LogDamaged(
                f"the log's files lead to another state of {self.size} entries than its head of {checkpoint.size}",
                advice="Restore the database and the log's directory from one backup.",
            )
        self._settle()
        self._sign_again(checkpoint)

    @classmethod
    def create(cls, directory: Path, database: Database, signer: LogSigner) -> Self:
        """Make a log without entries; raises `LogExists` if there is anything in its place."""
        if directory.exists() and any(directory.iterdir()):
            raise LogExists(f"{directory} is not empty", advice="A log is made once, and continued ever after.")
        with database.begin() as connection:
            if connection.execute(select(log_head.c.origin).limit(1)).first() is not None:
                raise LogExists("the database has a log", advice="A log is made once, and continued ever after.")
            empty = signer.checkpoint(0, EMPTY_ROOT).encode()
            connection.execute(insert(log_head).values(origin=signer.key.name, size=0, checkpoint=empty))
        return cls(directory, database, signer)

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self._frontier.size

    def append(self, entries: Sequence[bytes]) -> Note:
        """Append entries, the first at the present size; return the checkpoint that has them, signed by the log.

        Raises `MalformedMessage` for what can be no entry. Raises `LogContended` if somebody else has appended, or if
        it is not known whether this append was: from then on the log has to be opened again.
        """
        encode_entries(entries)
        return self.append_batch(_Entries(entries))

    def append_batch(self, batch: Batch) -> Note:
        """Append what a batch has, with what belongs to it; as `append`."""
        with self._turn:
            if not self._usable:
                raise LogContended("it is not known how the last append to the log ended", advice="Open it again.")
            self._usable = False
            entries = self._commit(batch)
            if entries:
                self._apply(entries)
                if self.size - self._settled >= SETTLE_EVERY:
                    self._settle()
            self._usable = True
            return self.note

    def reader(self, size: int | None = None) -> TreeReader:
        """The tree as it is now, or as it was at an earlier size, for proofs. For one thread at a time."""
        if size is None:
            with self._turn:
                size = self.size
        return TreeReader(self._files, size, complete=self._complete)

    def checkpoint(self, size: int) -> Note:
        """An earlier state, signed: the head begins with it. For whoever is shown the log in several parts."""
        return self._signer.checkpoint(size, TreeReader(self._files, size).root())

    def entries(self, start: int, end: int) -> list[bytes]:
        """The entries from `start` to before `end`, as far as there are."""
        end = min(end, self.size)
        found: list[bytes] = []
        for index in range(start // TILE_WIDTH, (end + TILE_WIDTH - 1) // TILE_WIDTH):
            width = min(TILE_WIDTH, end - index * TILE_WIDTH)
            bundle = decode_entries(self._files.entries(index, width))
            found += bundle[max(0, start - index * TILE_WIDTH) : width]
        return found

    def close(self) -> None:
        """Force what was appended to the disk."""
        with self._turn:
            if self._usable:
                self._settle()
                self._usable = False

    def _read_head(self) -> tuple[Note, list[tuple[int, bytes]]]:
        origin = self._signer.key.name
        with self._database.reading() as connection:
            head = connection.execute(select(log_head.c.checkpoint).where(log_head.c.origin == origin)).scalar()
            rows = connection.execute(
                select(log_staged.c.start, log_staged.c.entries)
                .where(log_staged.c.origin == origin)
                .order_by(log_staged.c.start)
            ).all()
        if head is None:
            raise LogMissing("the database has no such log", advice="yurong bureau log create")
        return Note.decode(bytes(head)), [(int(start), bytes(entries)) for start, entries in rows]

    def _commit(self, batch: Batch) -> Sequence[bytes]:
        """Stage a batch's entries, write what belongs to them and replace the head: all of it or nothing."""
        origin = self._signer.key.name
        with self._database.begin() as connection:
            entries = batch.entries(connection)
            if not entries:
                return entries
            encoded, after = encode_entries(entries), self._frontier.copy()
            after.extend(map(leaf_digest, entries))
            note = self._signer.checkpoint(after.size, after.root())
            swapped = _SWAP.run(
                connection, origin=origin, size=after.size, old_size=self.size, checkpoint=note.encode()
            )
            if swapped.rowcount != 1:
                raise LogContended("another process appends to the log", advice="Only one bureau may serve a log.")
            _STAGE.run(connection, origin=origin, start=self.size, entries=encoded)
            batch.placed(connection, self.size, note)
        self.note = note
        return entries

    def _sign_again(self, checkpoint: Checkpoint) -> None:
        """Sign the head anew after a change of keys: others forget the earlier ones in time."""
        if any(line.is_of(self._signer.key) for line in self.note.signatures):
            return
        note = self._signer.checkpoint(checkpoint.size, checkpoint.root)
        head = update(log_head).where(log_head.c.origin == checkpoint.origin, log_head.c.size == checkpoint.size)
        with self._database.begin() as connection:
            connection.execute(head.values(checkpoint=note.encode()))
        self.note = note

    def _apply(self, entries: Sequence[bytes]) -> None:
        """Write the tiles and bundles that have these entries."""
        bundles: dict[tuple[int, int], bytes] = {}
        at = self._edge.size
        for entry in entries:
            index, place = divmod(at, TILE_WIDTH)
            self._bundle += encode_entries((entry,))
            at += 1
            if place == TILE_WIDTH - 1:
                bundles[index, TILE_WIDTH] = self._bundle
                self._bundle = b""
        if self._bundle:
            bundles[at // TILE_WIDTH, at % TILE_WIDTH] = self._bundle
        leaves = [leaf_digest(entry) for entry in entries]
        self._files.write(self._edge.append(leaves), bundles)
        self._frontier.extend(leaves)

    def _partial_bundle(self) -> bytes:
        index, width = divmod(self._edge.size, TILE_WIDTH)
        return encode_entries(decode_entries(self._files.entries(index, width))[:width]) if width else b""

    def _settle(self) -> None:
        if self.size > self._settled:
            self._files.settle(self.size)
            self._settled = self.size
        with self._database.begin() as connection:
            _UNSTAGE.run(connection, origin=self._signer.key.name, settled=self._settled)
