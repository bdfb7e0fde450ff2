"""What a department has seen of the log, and goes on from.

    take in     a checkpoint that the log signed; the entries up to it, appended to what was seen, lead to its root
    remember    the new state and what its entries say, in one transaction
    cosign      the state that is the largest seen, and no other

A state that is smaller than what was seen is compared with the root that the log had at its size: requests that are
under way at once arrive in any order. A few thousand roots are kept, so a request that is far older is refused.

A log that is not what it was is refused, and what shows it is kept (`alarms.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import Checkpoint, signed_checkpoint
from crypto.transparency.cosignature import cosign, times_of_cosigning
from crypto.transparency.errors import LogForked, NotConsistent, TooFewWitnesses
from crypto.transparency.frontier import Frontier
from crypto.transparency.note import KeyUse, Note, NoteKey
from crypto.transparency.receipt import TrustedLog
from crypto.transparency.witness import grown, require_root
from models.hosting.https.door import own_documents
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared
from models.log.names import Documents, origin_of, trusted_log, witness_name
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.log_view import LogExtension
from participants.department.log.alarms import AlarmKind, raise_alarm, require_not_forked
from participants.department.log.entries import read_entries, remember
from participants.department.log.permissions import require_counts
from participants.home import Home

ROOTS_KEPT: Final = 8192
_FORGET_EVERY: Final = 1024

_BEGIN: Final = Prepared(
    "INSERT INTO log_seen (origin, size, frontier, checkpoint, cosigned_at) VALUES (:origin, 0, :empty, :empty, 0)"
    " ON CONFLICT DO NOTHING"
)
_SEEN: Final = Prepared("SELECT size, frontier, checkpoint, cosigned_at FROM log_seen WHERE origin = :origin")
_LOCK: Final = Prepared("UPDATE log_seen SET size = size WHERE origin = :origin")
_SEE: Final = Prepared(
    "UPDATE log_seen SET size = :size, frontier = :frontier, checkpoint = :checkpoint, cosigned_at = :now"
    " WHERE origin = :origin"
)
_ROOT: Final = Prepared("SELECT root FROM log_roots WHERE size = :size")
_KEEP_ROOT: Final = Prepared("INSERT INTO log_roots (size, root) VALUES (:size, :root)")
_FORGET_ROOTS: Final = Prepared("DELETE FROM log_roots WHERE size < :before")
_LOG: Final = logging.getLogger("yurong.witness")


@dataclass(frozen=True, slots=True)
class SeenState:
    """The largest state that was seen. checkpoint: signed by the log, or nothing. cosigned_at: seconds since 1970."""

    size: int
    frontier: Frontier
    checkpoint: bytes
    cosigned_at: int


class LogView:
    """One department's view of its bureau's log. Any number of threads may use it at once.

    quorum: so many witnesses have to stand for a state; a majority of all that are pinned, if None.
    """

    def __init__(self, home: Home, database: Database, bureau: ParticipantId, *, quorum: int | None = None) -> None:
        self._home, self._database, self._bureau, self._quorum = home, database, bureau, quorum
        self.origin = origin_of(bureau)
        self._trusted: tuple[object, tuple[int, ...], TrustedLog] | None = None

    def trusted(self) -> TrustedLog:
        """Whose signatures count, by what is pinned now; this department is one of the witnesses.

        Raises `UntrustedKey` if the bureau is not pinned.
        """
        pinned, serials = self._home.pins.documents(), self._home.serials()
        if self._trusted is None or self._trusted[0] is not pinned or self._trusted[1] != serials:
            log = trusted_log(self._bureau, self._signers(), self._quorum)
            self._trusted = pinned, serials, log
        return self._trusted[2]

    def take_in(self, extension: LogExtension) -> Checkpoint:
        """See what is shown; return the checkpoint, one of the states of the log that this department has seen.

        Raises `SignatureInvalid`, `MalformedMessage`, `OtherStateSeen` if entries are left out, `NotConsistent` and
        `LogForked` (both with an alarm), and `LogStopped` while evidence of a fork is not settled.
        """
        try:
            with self._database.begin() as connection:
                return self.see(connection, extension)
        except NotConsistent as fault:
            self.alarm(fault, extension)
            raise

    def see(self, connection: Connection, extension: LogExtension) -> Checkpoint:
        """Do what `take_in` does, in the caller's transaction and without an alarm.

        After `NotConsistent` nothing of that transaction may be kept; then the caller raises the `alarm`.
        """
        note = Note.decode(extension.checkpoint)
        checkpoint = signed_checkpoint(note, [key for key in self.trusted().log_keys if key.name == self.origin])
        require_not_forked(connection)
        _BEGIN.run(connection, origin=self.origin, empty=b"")
        _LOCK.run(connection, origin=self.origin)  # two at once take turns: the second goes on from the first
        seen = seen_state(connection, self.origin)
        if checkpoint.size <= seen.size:
            require_root(checkpoint, root_at(connection, checkpoint.size))
            return checkpoint
        entries = read_entries(extension.entries, extension.documents)
        growth = grown(seen.frontier, checkpoint, extension.start, [leaf_digest(data) for data in extension.entries])
        self._remember(connection, seen, growth.roots, entries[seen.size - extension.start :])
        _SEE.run(
            connection,
            origin=self.origin,
            size=checkpoint.size,
            frontier=growth.frontier.encode(),
            checkpoint=extension.checkpoint,
            now=max(int(self._home.clock.now()), seen.cosigned_at),
        )
        return checkpoint

    def cosign(self, checkpoint: Checkpoint, connection: Connection) -> bytes:
        """This department's cosignature (time, 8 bytes, and 64 bytes) of a state that it has taken in.

        Nothing if it has seen more: a cosignature says that this is the largest state that its witness knows.
        """
        seen = seen_state(connection, self.origin)
        if checkpoint.size != seen.size:
            return b""
        identity = self._home.identity()
        key = NoteKey(witness_name(self._home.participant_id), KeyUse.COSIGNATURE, identity.public.signing_key)
        at = max(int(self._home.clock.now()), seen.cosigned_at)
        return cosign(checkpoint.encode(), key, identity.sign_text, at=at).data

    def now(self, connection: Connection) -> int:
        """The time (seconds since 1970) for decisions: this department's clock, and never before its last cosignature.

        So a clock that is set back wakes no consent that has ended.
        """
        return max(int(self._home.clock.now()), seen_state(connection, self.origin).cosigned_at)

    def require_stood_for(self, note: Note, members: Collection[ParticipantId]) -> None:
        """Raise `TooFewWitnesses` unless a quorum of witnesses stands for a state: it cosigned it, or is of `members`.

        members: departments whose answers are of no use unless each of them was shown this very state.
        """
        log = self.trusted()
        known = {key.name for key in log.witnesses}
        standing = known & set(map(witness_name, members))
        if len(standing) < log.quorum:
            standing |= times_of_cosigning(note, log.witnesses).keys()
        if len(standing) < log.quorum:
            raise TooFewWitnesses(f"{len(standing)} witnesses stand for the log where {log.quorum} are asked for")

    def _remember(
        self, connection: Connection, seen: SeenState, roots: tuple[bytes, ...], new: list[tuple[LogEntry, bytes]]
    ) -> None:
        size = seen.size + len(roots)
        for number, root in enumerate(roots, seen.size + 1):
            if number > size - ROOTS_KEPT:
                _KEEP_ROOT.run(connection, size=number, root=root)
        if size // _FORGET_EVERY > seen.size // _FORGET_EVERY:
            _FORGET_ROOTS.run(connection, before=size - ROOTS_KEPT)
        remember(connection, seen.size, new, now=int(self._home.clock.now()), counts=self._counts)

    def _counts(self, kind: EntryKind, document: bytes) -> bool:
        try:
            require_counts(kind, document, self._signers())
        except PeerError as fault:
            _LOG.warning("a document of the log has no effect", extra={"error": fault})
            return False
        return True

    def _signers(self) -> Documents:
        return {**self._home.pins.documents(), self._home.participant_id: own_documents(self._home)}

    def alarm(self, fault: NotConsistent, extension: LogExtension) -> None:
        """Keep what a log was seen to be and what it was shown to be now, for the operator."""
        kind = AlarmKind.FORKED if isinstance(fault, LogForked) else AlarmKind.NOT_EXTENDED
        with self._database.begin() as connection:
            seen = seen_state(connection, self.origin).checkpoint
            now = int(self._home.clock.now())
            new = raise_alarm(connection, kind, now=now, seen=seen, shown=extension.checkpoint)
        if new:
            _LOG.critical("the log is not what it was", extra={"error": fault})


def seen_state(connection: Connection, origin: str) -> SeenState:
    """What was seen of a log: nothing, at first."""
    row = _SEEN.run(connection, origin=origin).fetchone()
    if row is None:
        return SeenState(0, Frontier(), b"", 0)
    size = int(row[0])
    return SeenState(size, Frontier.decode(size, bytes(row[1])), bytes(row[2]), int(row[3]))


def root_at(connection: Connection, size: int) -> bytes:
    """The log's root at a size that was seen; raises `PeerError` for one that is forgotten."""
    if size == 0:
        return Frontier().root()
    row = _ROOT.run(connection, size=size).fetchone()
    if row is None:
        raise PeerError("a state of the log is shown that is too old to be compared")
    return bytes(row[0])
