"""The log on a score's way through the bureau: `docs/protocols.md`, "The log".

    place      the request is in the log before any department is asked
    extension  each department is shown the log since it saw it last, up to the request
    cosigned   what departments say of it with their answers makes the bank's receipt
    ended      the answer, or a department's refusal, is logged behind it

Departments of S stand for the state that they are asked under. If they are no majority of all, others are asked to
cosign it first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, Protocol

from coordinator.transparency_log.score_proofs import Proven, ScoreProofs
from coordinator.transparency_log.sequencer import Sequencer
from coordinator.transparency_log.witnesses import Witnesses
from crypto.identifiers import ParticipantId
from crypto.transparency.note import Note
from models.hosting.errors import RequestRefused
from models.hosting.https import problems
from models.log.names import majority
from models.wire.log_view import LogExtension

_AT_HAND: Final = 1024


class ShownLog(Protocol):
    """What a relayed request needs of the log."""

    def extension_for(self, department: ParticipantId, proven: Proven) -> LogExtension:
        """What this department has not seen of the log up to a request."""
        ...

    def cosigned(self, department: ParticipantId, proven: Proven, cosignature: bytes) -> None:
        """A department has seen the log up to a request, and has cosigned it, or nothing."""
        ...

    def note(self, proven: Proven) -> Note:
        """The checkpoint under the cosignatures that there are."""
        ...


class WaitedLog(ShownLog, Protocol):
    """A log that is waited for, as a bureau that serves has it."""

    async def place(self, document: bytes, tag: bytes, members: Collection[ParticipantId]) -> Proven:
        """Where a request is in the log; the same for the same bytes. members: S."""
        ...

    def answered(self, request: bytes, ciphertext: bytes) -> None:
        """A request, by its digest, came to this answer."""
        ...

    def refused(self, request: bytes, department: ParticipantId, problem_slug: str) -> None:
        """A department refused a request, by its digest."""
        ...

    async def receipt(self, request: bytes) -> bytes:
        """The receipt (`.tlog-proof`) of a request, cosigned by a majority."""
        ...


class ScoreLog:
    """A `WaitedLog` of a bureau that serves. Used within one event loop. `admitted`: departments that are pinned."""

    def __init__(
        self,
        sequencer: Sequencer,
        witnesses: Witnesses,
        proofs: ScoreProofs,
        admitted: Callable[[], Collection[ParticipantId]],
    ) -> None:
        self._sequencer, self._witnesses, self._proofs = sequencer, witnesses, proofs
        self._admitted = admitted
        self._cosigned_first: OrderedDict[bytes, Proven] = OrderedDict()

    async def place(self, document: bytes, tag: bytes, members: Collection[ParticipantId]) -> Proven:
        """Where a request is in the log; the same for the same bytes. members: S.

        Raises what appending raises, and `LogNotWitnessed` if S and those who cosign are no majority.
        """
        proven = await self._proofs.prove(document, tag)
        admitted = frozenset(self._admitted())
        if len(admitted & set(members)) >= majority(len(admitted)):
            return proven
        if document not in self._cosigned_first:
            attested = await self._witnesses.cosign(proven.size)
            note = attested.encode()
            path = self._sequencer.inclusion(proven.index, attested.size)
            self._cosigned_first[document] = replace(proven, size=attested.size, note=note, path=path)
            if len(self._cosigned_first) > _AT_HAND:
                self._cosigned_first.popitem(last=False)
        return self._cosigned_first[document]

    def extension_for(self, department: ParticipantId, proven: Proven) -> LogExtension:
        """What this department has not seen of the log up to a request."""
        return self._proofs.extension_for(department, proven)

    def cosigned(self, department: ParticipantId, proven: Proven, cosignature: bytes) -> None:
        """A department has seen the log up to a request, and has cosigned it, or nothing."""
        if cosignature:
            self._witnesses.cosigned(department, proven.note, cosignature)
        else:
            self._witnesses.heard(department, proven.size)

    def behind(self, department: ParticipantId) -> None:
        """A department has not seen what it was thought to have."""
        self._witnesses.behind(department)

    def note(self, proven: Proven) -> Note:
        """The checkpoint under the cosignatures that there are."""
        return self._witnesses.with_cosignatures(proven.note)

    def answered(self, request: bytes, ciphertext: bytes) -> None:
        """A request, by its digest, came to this answer."""
        self._proofs.answered(request, hashlib.sha256(ciphertext).digest())

    def refused(self, request: bytes, department: ParticipantId, problem_slug: str) -> None:
        """A department refused a request, by its digest."""
        self._proofs.refused(request, department, problem_slug)

    async def receipt(self, request: bytes) -> bytes:
        """The receipt (`.tlog-proof`) of a request, cosigned by a majority.

        Raises `RequestRefused` for one that is not known any more, and `LogNotWitnessed`.
        """
        place = await self._sequencer.place_of_request(request)
        if place is None:
            raise RequestRefused(problems.NOT_FOUND, "no such request is known")
        return await self._witnesses.receipt(place.index, place.size)
