"""Departments and a bureau behind httpx transports: HTTP in all but the wires, with faults that can be switched on.

What is tested with it goes through the very code that speaks HTTPS, but for TLS and signatures, which
`models.hosting` has tests of its own for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from coordinator.scores.fan_out import PARTIAL_SCORES_PATH, READY_PATH, FanOut
from coordinator.scores.gateway import GatewayService
from coordinator.scores.scoring import Relay
from crypto.errors import YurongError
from crypto.identifiers import ParticipantId
from models.hosting.https.peer import MEDIA_TYPE, Peer
from models.hosting.https.problems import Problem, ProblemKind, problem_of
from models.wire.online import ReadyReply
from participants.bank.asking import OFFERS_PATH, SCORES_PATH
from participants.department.scorer import Scorer

Answer = Callable[[bytes], bytes]

PATIENT_SECONDS: Final = 2.0
"""For probes: a busy machine must not make departments look as if they were down."""


class Unsigned:
    """A signer for a network in which nobody looks."""

    def sign(self, method: str, url: str, body: bytes) -> dict[str, str]:  # noqa: ARG002 - a signer's
        """No headers."""
        return {}


@dataclass(slots=True, kw_only=True)
class Faults:
    """What is wrong with one node. `asked`: the bodies that it has read, by path."""

    down: bool = False  # no connection
    hanging: bool = False  # connections, and no answer
    cut: int = 0  # so many answers are made and never arrive
    refuses: ProblemKind | None = None
    change: Answer | None = None  # of what it answers
    media_type: str = MEDIA_TYPE
    asked: dict[str, list[bytes]] = field(default_factory=dict)


class NodeTransport(httpx.AsyncBaseTransport):
    """Carries requests to a node of this process."""

    def __init__(self, node: Callable[[str, bytes], Awaitable[httpx.Response]], faults: Faults) -> None:
        self._node = node
        self._faults = faults

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The node's answer, or what is wrong with it."""
        faults, body = self._faults, await request.aread()
        if faults.down:
            raise httpx.ConnectError("nobody listens", request=request)
        faults.asked.setdefault(request.url.path, []).append(body)
        if faults.hanging:
            await asyncio.Event().wait()
        if faults.refuses is not None:
            return problem_response(Problem(kind=faults.refuses))
        response = await self._node(request.url.path, body)
        if faults.cut:
            faults.cut -= 1
            raise httpx.ReadError("the connection was cut", request=request)
        if faults.change is not None and response.status_code == httpx.codes.OK:
            return ok(faults.change(response.content), media_type=faults.media_type)
        if faults.media_type != MEDIA_TYPE:
            return ok(response.content, media_type=faults.media_type)
        return response


def ok(body: bytes, *, media_type: str = MEDIA_TYPE) -> httpx.Response:
    """An answer of status 200."""
    return httpx.Response(200, headers={"content-type": media_type}, content=body)


def problem_response(problem: Problem) -> httpx.Response:
    """An answer that refuses."""
    return httpx.Response(problem.status, headers=problem.headers(), content=problem.to_json())


def department_node(scorer: Scorer) -> Callable[[str, bytes], Awaitable[httpx.Response]]:
    """A department that answers as its HTTPS service does."""

    async def node(path: str, body: bytes) -> httpx.Response:
        await asyncio.sleep(0)
        if path == READY_PATH:
            return ok(ReadyReply(serial=1, ready=True).encode())
        try:
            return ok(scorer.handle(body))
        except YurongError as fault:
            return problem_response(problem_of(fault))

    return node


@dataclass(frozen=True, slots=True)
class _StandIn:
    """A document for a network without TLS."""

    address: str
    certificate: bytes = b"any"


def peer_over(transport: httpx.AsyncBaseTransport, name: ParticipantId) -> Peer:
    """A peer that is reached over `transport`."""

    def new_transport(_certificates: Sequence[bytes]) -> httpx.AsyncBaseTransport:
        return transport

    return Peer(
        name, documents=lambda: (_StandIn(f"https://{name}.example"),), signer=Unsigned(), new_transport=new_transport
    )


@dataclass(slots=True)
class DepartmentNetwork:
    """The departments of `scorers` behind transports, each with its faults."""

    scorers: Mapping[ParticipantId, Scorer]
    faults: dict[ParticipantId, Faults] = field(init=False)
    changes: list[tuple[ParticipantId, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.faults = {name: Faults() for name in self.scorers}

    def fan_out(self, *, deadline_seconds: float = 5.0) -> FanOut:
        """The bureau's way to them."""
        return FanOut(
            lambda name: peer_over(NodeTransport(department_node(self.scorers[name]), self.faults[name]), name),
            on_change=lambda name, up: self.changes.append((name, up)),
            offer_seconds=PATIENT_SECONDS,
            probe_seconds=PATIENT_SECONDS,
            deadline_seconds=deadline_seconds,
        )

    def scores_asked_of(self, name: ParticipantId) -> int:
        """How many score requests a department has read."""
        return len(self.faults[name].asked.get(PARTIAL_SCORES_PATH, []))


class MemoryRecord:
    """A `coordinator.scores.gateway.RequestRecord` that forgets. `outcomes`: by digest."""

    def __init__(self) -> None:
        self.outcomes: dict[bytes, str] = {}

    def received(self, relay: Relay) -> None:
        """A request came."""
        self.outcomes.setdefault(relay.digest, "")

    def ended(self, digest: bytes, outcome: str) -> None:
        """It came to this."""
        self.outcomes[digest] = outcome


def bureau_node(service: GatewayService, caller: ParticipantId) -> Callable[[str, bytes], Awaitable[httpx.Response]]:
    """The bureau as it answers one bank that its guard has let in."""
    handlers = {OFFERS_PATH: service.offer, SCORES_PATH: service.score}

    async def node(path: str, body: bytes) -> httpx.Response:
        try:
            return ok(await handlers[path](caller, body))
        except YurongError as fault:
            return problem_response(problem_of(fault))

    return node
