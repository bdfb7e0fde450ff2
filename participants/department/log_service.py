"""What the bureau asks of a department as a witness and a keeper of consents: `docs/protocols.md`, "The log".

    POST /v1/witness    WitnessRequest -> WitnessReply   see what was logged since, and cosign it
    POST /v1/consents   SealedConsent -> Kept            verify a consent that a bank handed in, and keep it

`department_app` has them beside scores, behind the same guard. Nobody but the bureau may ask.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from crypto.transparency.errors import OtherStateSeen
from crypto.transparency.note import Note
from models.hosting.errors import RequestRefused
from models.hosting.https import problems
from models.hosting.https.message_app import Operation, whoever_waits
from models.hosting.storage.database import Database
from models.wire.deposit import Kept, SealedConsent
from models.wire.log_view import WitnessReply, WitnessRequest
from participants.clock import Clock
from participants.department.evidence import Evidence
from participants.department.log.clocks import compare_clocks
from participants.department.log.view import seen_state

WITNESS_PATH: Final = "/v1/witness"
CONSENTS_PATH: Final = "/v1/consents"
LOG_PATHS: Final = (WITNESS_PATH, CONSENTS_PATH)
_LOG: Final = logging.getLogger("yurong.witness")


class LogService:
    """Answers the bureau. Used within one event loop."""

    def __init__(
        self, evidence: Evidence, database: Database, *, me: ParticipantId, bureau: ParticipantId, clock: Clock
    ) -> None:
        self._evidence, self._database, self._clock = evidence, database, clock
        self._me, self._bureau = me, bureau

    def operations(self) -> list[Operation]:
        """What may be asked, for `message_app`."""
        return [
            Operation(WITNESS_PATH, whoever_waits(self.witness), WitnessRequest, WitnessReply),
            Operation(CONSENTS_PATH, whoever_waits(self.consent), SealedConsent, Kept),
        ]

    async def witness(self, caller: ParticipantId, data: bytes) -> bytes:
        """How much of the log this department has seen, and its cosignature of the checkpoint that it is shown."""
        self._require_bureau(caller)
        return (await asyncio.to_thread(self.see, WitnessRequest.decode(data))).encode()

    async def consent(self, caller: ParticipantId, data: bytes) -> bytes:
        """Whether this department keeps a consent that was sealed to it."""
        self._require_bureau(caller)
        await asyncio.to_thread(self._evidence.consents.take, SealedConsent.decode(data))
        return Kept().encode()

    def see(self, request: WitnessRequest) -> WitnessReply:
        """Do what `witness` does, without the bytes."""
        view = self._evidence.view
        if request.attested:
            self._compare_clocks(request.attested)
        try:
            checkpoint = view.take_in(request.extension)
        except OtherStateSeen as fault:
            return WitnessReply(size=fault.size, cosignature=b"")
        with self._database.reading() as connection:
            return WitnessReply(
                size=seen_state(connection, view.origin).size, cosignature=view.cosign(checkpoint, connection)
            )

    def _compare_clocks(self, attested: bytes) -> None:
        view = self._evidence.view
        try:
            compare_clocks(
                self._database,
                Note.decode(attested),
                view.trusted(),
                self._me,
                origin=view.origin,
                now=int(self._clock.now()),
            )
        except PeerError as fault:
            _LOG.warning("what the witnesses cosigned last cannot be read", extra={"error": fault})

    def _require_bureau(self, caller: ParticipantId) -> None:
        if caller != self._bureau:
            raise RequestRefused(problems.FORBIDDEN, "only the bureau may ask this")
