"""Where banks hand consents in, and changes of them: `docs/protocols.md`, "Consent".

    POST /v1/consents          ConsentDeposit -> Deposited   log it, have it cosigned, give each department its box
    POST /v1/consent-changes   SignedChange -> Deposited     log it and have it cosigned; departments see it there

| who    | learns                                                                                    |
|--------|-------------------------------------------------------------------------------------------|
| bureau | which bank was given a consent when, for which departments; a consent was changed; no more |

The bureau cannot tell a genuine consent from another: departments verify what they keep. Both may be sent again, and
bring nothing twice into the log. A bank's deposits wait for one another, as its scores do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from coordinator.scores.fair_queue import FairQueue
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.sequencer import Sequencer
from coordinator.transparency_log.witnesses import Witnesses
from crypto.errors import MalformedMessage, YurongError
from crypto.identifiers import ParticipantId
from models.hosting.errors import PeerUnreachable, RemoteProblem, RequestRefused
from models.hosting.https import problems
from models.hosting.https.message_app import Operation, whoever_waits
from models.hosting.https.peer import Peer
from models.wire.deposit import ConsentDeposit, Deposited, Kept, SealedConsent
from models.wire.envelope import Addressed
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.signed_change import SignedChange

CONSENTS_PATH: Final = "/v1/consents"
CHANGES_PATH: Final = "/v1/consent-changes"
CONSENT_PATHS: Final = (CONSENTS_PATH, CHANGES_PATH)

DEADLINE_SECONDS: Final = 5.0
_AT_ONCE: Final = 8
_WAITING_PER_BANK: Final = 32
_log = logging.getLogger("yurong.consents")


class ConsentDesk:
    """Takes consents and changes in. Used within one event loop. `admitted`: the departments that are pinned now."""

    def __init__(
        self,
        sequencer: Sequencer,
        witnesses: Witnesses,
        peer: Callable[[ParticipantId], Peer],
        admitted: Callable[[], frozenset[ParticipantId]],
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._sequencer, self._witnesses = sequencer, witnesses
        self._peer, self._admitted = peer, admitted
        self._deadline_seconds = deadline_seconds
        self._queue = FairQueue(in_flight=_AT_ONCE, waiting_per_bank=_WAITING_PER_BANK)

    def operations(self) -> list[Operation]:
        """What may be asked, for `message_app`."""
        return [
            Operation(CONSENTS_PATH, whoever_waits(self.consent), ConsentDeposit, Deposited),
            Operation(CHANGES_PATH, whoever_waits(self.change), SignedChange, Deposited),
        ]

    async def consent(self, caller: ParticipantId, data: bytes) -> bytes:
        """The receipt of a consent that a bank hands in; departments that are down get theirs the next time."""
        deposit = ConsentDeposit.decode(data)
        passkey = _entry(deposit.passkey, EntryKind.PASSKEY)
        consent = _entry(deposit.consent, EntryKind.CONSENT)
        boxes = self._checked(caller, deposit.boxes)
        async with self._queue.turn(caller):
            placed = await self._sequencer.append([Logged(passkey), Logged(consent)])
            receipt = await self._witnesses.receipt(placed.indices[1], placed.size)
            taken = await asyncio.gather(*(self._hand_over(name, box) for name, box in boxes.items()))
        missing = tuple(name for name, is_taken in zip(boxes, taken, strict=True) if not is_taken)
        return Deposited(receipt=receipt, missing=missing).encode()

    async def change(self, caller: ParticipantId, data: bytes) -> bytes:
        """The receipt of a change of a consent, whoever hands it in."""
        logged = Logged(SignedChange.decode(data).entry(), data)
        async with self._queue.turn(caller):
            placed = await self._sequencer.append([logged])
            receipt = await self._witnesses.receipt(placed.index, placed.size)
        return Deposited(receipt=receipt, missing=()).encode()

    def _checked(self, bank: ParticipantId, boxes: tuple[Addressed, ...]) -> dict[ParticipantId, bytes]:
        """What each department gets; raises `MalformedMessage`, and `RequestRefused` for one that is not admitted."""
        names = [ParticipantId(box.participant) for box in boxes]
        if not names or names != sorted(set(names)):
            raise MalformedMessage("a consent is handed in for departments in order, and for one at least")
        if not self._admitted().issuperset(names):
            raise RequestRefused(problems.FORBIDDEN, "a consent is handed in for somebody who is no department here")
        sealed = (SealedConsent(bank=bank, box=box.payload).encode() for box in boxes)
        return {name: SealedConsent.decode(one).encode() for name, one in zip(names, sealed, strict=True)}

    async def _hand_over(self, name: ParticipantId, sealed: bytes) -> bool:
        """Give a department its box; whether it keeps the consent."""
        try:
            data = await self._peer(name).post(
                CONSENTS_PATH, sealed, maximum_bytes=Kept.MAXIMUM_BYTES, timeout_seconds=self._deadline_seconds
            )
            Kept.decode(data)
        except PeerUnreachable:
            return False
        except RemoteProblem as fault:
            why = fault.problem.slug
        except YurongError as fault:
            why = type(fault).__name__
        else:
            return True
        _log.warning("a consent was not kept: %s", why, extra={"participant": name})
        return False


def _entry(data: bytes, kind: EntryKind) -> LogEntry:
    entry = LogEntry.decode(data)
    if entry.kind is not kind:
        raise MalformedMessage("a consent is handed in with entries of other kinds than its own")
    return entry
