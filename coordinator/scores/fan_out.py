"""Carries a score request to all its departments at once, and comes back when all have answered or one has failed.

    relay   waits for no department longer than the deadline, and for nobody once one has failed
    up      who answers at this moment: `coordinator/scores/probe.py`

A request to one department is never ended because another failed: it has perhaps been read, its answer is kept there
for the bank's next try, and a connection that is cut in the middle has to be made anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from coordinator.errors import BadAnswer, DepartmentRefused, DepartmentUnavailable, LossReason
from coordinator.scores.probe import OFFER_SECONDS, TIMEOUT_SECONDS, DepartmentProbe, Readiness
from coordinator.scores.scoring import ServedModel, UnderWay
from crypto.errors import PeerError
from crypto.identifiers import ModelVersion, ParticipantId
from models.hosting.errors import PeerUnreachable, RemoteProblem
from models.hosting.https import problems, proof_problems
from models.hosting.https.peer import Peer
from models.wire.online import DepartmentAnswer, ReadyReply, ReadyRequest

DEADLINE_SECONDS: Final = 2.0
"""Within which every department has answered, or counts as down."""

PARTIAL_SCORES_PATH: Final = "/v1/partial-scores"
READY_PATH: Final = "/v1/ready-for"

_OF_THE_BANK: Final = frozenset(
    {
        problems.MALFORMED,
        problems.UNTRUSTED_KEY,
        problems.REQUEST_REFUSED,
        problems.UNKNOWN_MODEL,
        problems.REQUEST_CONFLICT,
        problems.REQUEST_USED,
        problems.KEY_NOT_IN_FORCE,
        problems.INVALID_ENTERPRISE_ID,
        problems.REQUEST_EXPIRED,
        problems.TOO_FEW_DEPARTMENTS,
        *(kind for kind in proof_problems.PROOF_KINDS if kind.retry_after_seconds is None),
    }
)
"""Why a department refuses what the bank made, or the proof that the bureau sent along.

What else it may say is between it and the bureau.
"""

_OF_EITHER: Final = frozenset({problems.MALFORMED, problems.UNTRUSTED_KEY})
"""Of those, what a department's guard may also say of the bureau itself. Then it refuses the bureau's probe as well."""

Answered = Callable[[ParticipantId, float], None]
"""Is told how long a department took for an answer, in seconds."""


def _unmeasured(_department: ParticipantId, _seconds: float) -> None:
    """Nobody wants to know."""


def _unnoticed(_department: ParticipantId) -> None:
    """Nobody shows it the log."""


class FanOut:
    """A `coordinator.scores.scoring.AsyncDepartmentPost` over peers of ours. Used within one event loop."""

    def __init__(
        self,
        new_peer: Callable[[ParticipantId], Peer],
        *,
        on_change: Callable[[ParticipantId, bool], None],
        answered: Answered = _unmeasured,
        behind: Callable[[ParticipantId], None] = _unnoticed,
        deadline_seconds: float = DEADLINE_SECONDS,
        offer_seconds: float = OFFER_SECONDS,
        probe_seconds: float = TIMEOUT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._new_peer = new_peer
        self._answered, self._behind = answered, behind
        self._deadline_seconds = deadline_seconds
        self._monotonic = monotonic
        self._peers: dict[ParticipantId, Peer] = {}
        self._under_way: UnderWay = set()
        self.probe = DepartmentProbe(
            self._ready,
            on_change=on_change,
            monotonic=monotonic,
            offer_seconds=offer_seconds,
            timeout_seconds=probe_seconds,
        )

    async def up(self, model: ServedModel) -> Mapping[ParticipantId, int]:
        """The model's departments that answer at this moment, each with the serial of its document in use."""
        for name in model.departments:
            if name in self._peers and not self._peers[name].is_connected():
                self.probe.doubt(name)
        return await self.probe.up(model)

    async def relay(
        self, requests: Mapping[ParticipantId, bytes], under_way: UnderWay | None = None
    ) -> Mapping[ParticipantId, bytes]:
        """Everybody's answer, within the deadline. `under_way` is given the requests to all.

        Raises `DepartmentUnavailable`, `DepartmentRefused` or `BadAnswer` as soon as one gives none.
        """
        tasks = {asyncio.create_task(self._ask(name, data)): name for name, data in requests.items()}
        for task in tasks:
            for where in (self._under_way, *([] if under_way is None else [under_way])):
                where.add(task)
                task.add_done_callback(where.discard)
            task.add_done_callback(_heard)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if fault := task.exception():
                raise fault
        return {name: task.result() for task, name in tasks.items()}

    async def close(self) -> None:
        """Wait for what is under way, then close all connections."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._deadline_seconds)
        for peer in self._peers.values():
            await peer.close()

    async def _ask(self, name: ParticipantId, data: bytes) -> bytes:
        began = self._monotonic()
        try:
            answer = await self._peer(name).post(
                PARTIAL_SCORES_PATH,
                data,
                maximum_bytes=DepartmentAnswer.MAXIMUM_BYTES,
                timeout_seconds=self._deadline_seconds,
            )
        except PeerUnreachable as fault:
            if fault.sent:
                # It may be waiting for obfuscators of one bank's key, and be there for the others.
                self.probe.doubt(name)
            else:
                self.probe.lost(name)
            raise DepartmentUnavailable({name: _reason(fault)}) from None
        except RemoteProblem as fault:
            raise self._refusal(name, fault) from None
        except PeerError as fault:
            raise BadAnswer(f"{name}: {type(fault).__name__}") from fault
        self.probe.heard(name)
        self._answered(name, self._monotonic() - began)
        return answer

    def _refusal(
        self, name: ParticipantId, fault: RemoteProblem
    ) -> DepartmentUnavailable | DepartmentRefused | BadAnswer:
        kind = fault.problem.kind
        if kind in _OF_EITHER:
            self.probe.doubt(name)
            return DepartmentRefused(name, kind, whose="the bank's request or the bureau's")
        if kind in _OF_THE_BANK:
            self.probe.heard(name)
            return DepartmentRefused(name, kind)
        if kind is proof_problems.LOG_BEHIND:
            self._behind(name)
            return DepartmentUnavailable({name: LossReason.UNAVAILABLE})
        if kind.retry_after_seconds is not None:
            self.probe.doubt(name)
            return DepartmentUnavailable({name: LossReason.UNAVAILABLE})
        return BadAnswer(f"{name}: {kind.slug}")

    async def _ready(self, department: ParticipantId, version: ModelVersion) -> Readiness:
        data = await self._peer(department).post(
            READY_PATH,
            ReadyRequest(model_version=version).encode(),
            maximum_bytes=ReadyReply.MAXIMUM_BYTES,
            timeout_seconds=self._deadline_seconds,
        )
        reply = ReadyReply.decode(data)
        return Readiness(serial=reply.serial, ready=reply.ready)

    def _peer(self, name: ParticipantId) -> Peer:
        if name not in self._peers:
            self._peers[name] = self._new_peer(name)
        return self._peers[name]


def _heard(task: asyncio.Task[bytes]) -> None:
    if not task.cancelled():
        task.exception()  # it was told to whoever waited, or came after another's


def _reason(fault: PeerUnreachable) -> LossReason:
    return LossReason.NO_REPLY if fault.sent else LossReason.UNAVAILABLE
