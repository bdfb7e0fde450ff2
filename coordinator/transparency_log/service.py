"""The log of a bureau that serves, from the opening of its files to their closing, with all that needs it.

log = log_of(home, database, peer)
async with log.serving():
    log.sequencer, log.witnesses, log.scores, log.desk
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from coordinator.consents import ConsentDesk
from coordinator.home import BureauHome
from coordinator.scores.score_log import ScoreLog
from coordinator.transparency_log import outbox
from coordinator.transparency_log.bureau_log import log_directory, open_log
from coordinator.transparency_log.log import TransparencyLog
from coordinator.transparency_log.score_proofs import ScoreProofs
from coordinator.transparency_log.sequencer import Sequencer
from coordinator.transparency_log.witnesses import DEADLINE_SECONDS, Witnesses
from crypto.identifiers import ParticipantId, Role
from models.hosting.https.door import WayOut
from models.hosting.https.peer import Peer, Traffic, uncounted
from models.hosting.storage.database import Database
from models.wire.log_entry import EntryKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LogService:
    """A log that is appended to, its witnesses, and what banks ask of it."""

    sequencer: Sequencer
    witnesses: Witnesses
    scores: ScoreLog
    desk: ConsentDesk

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Open the log; raises `LogMissing` if `yurong bureau log create` was never typed, and `LogDamaged`.

        Departments are asked first how much they have seen, for a few seconds at most: nothing is appended to a log
        that was restored from an older copy.
        """
        async with self.sequencer, self.witnesses:
            yield


class Peers:
    """The departments as this bureau calls them: one `Peer` each, whatever it is called for."""

    def __init__(self, home: BureauHome, *, traffic: Traffic = uncounted) -> None:
        self._way_out, self._traffic = WayOut(home), traffic
        self._peers: dict[ParticipantId, Peer] = {}

    def __call__(self, name: ParticipantId) -> Peer:
        """One of them, by name."""
        if name not in self._peers:
            self._peers[name] = self._way_out.peer(name, traffic=self._traffic)
        return self._peers[name]

    async def close(self) -> None:
        """Close all connections."""
        for peer in self._peers.values():
            await peer.close()


def log_of(
    home: BureauHome,
    database: Database,
    peer: Callable[[ParticipantId], Peer],
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> LogService:
    """A home's log, to be served: nothing of it is opened yet."""

    def opened() -> TransparencyLog:
        with database.begin() as connection:
            # After a change of keys the bureau's new document comes into the log. One that is there stays alone.
            outbox.put(connection, EntryKind.PARTICIPANT, home.document())
        return open_log(home, database)

    sequencer = Sequencer(opened, database, clock=home.clock, signs_as=lambda: (home.serial, home.serials()), held=True)
    witnesses = Witnesses(sequencer, peer, home.pins.documents, log_directory(home), deadline_seconds=deadline_seconds)
    proofs = ScoreProofs(
        sequencer, witnesses.known_size, bureau=home.participant_id, identity=home.identity, clock=home.clock
    )

    def admitted() -> frozenset[ParticipantId]:
        documents = home.pins.documents().items()
        return frozenset(name for name, found in documents if found[0].role is Role.DEPARTMENT)

    return LogService(
        sequencer=sequencer,
        witnesses=witnesses,
        scores=ScoreLog(sequencer, witnesses, proofs, admitted),
        desk=ConsentDesk(sequencer, witnesses, peer, admitted),
    )
