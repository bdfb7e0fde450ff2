"""What banks ask of the bureau over HTTPS: `docs/protocols.md`, "Score of one enterprise".

    POST /v1/offers   OfferRequest -> Offer          which departments are up?
    POST /v1/scores   ScoreRequest -> ScoreAnswer    the same bytes may be sent again until they expire
    POST /v1/receipts ReceiptRequest -> ReceiptReply the receipt of a request, once a majority has cosigned the log

`models.hosting.https.guard.Guard` stands before this application: whose request it is, is known. It is answered
if that is a bank of the model, and the one that signed what is asked. Bodies are MessagePack, refusals RFC 9457.

The bureau writes down every score request before a department sees it, and what came of it: who asked, when, by which
model, and who was missing; and both in the log, where everybody sees that there was a request. It does not know about
whom.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from time import perf_counter
from typing import Final, Protocol

from fastapi import FastAPI

from coordinator.errors import DepartmentRefused, GatewayBusy
from coordinator.scores.fair_queue import FairQueue
from coordinator.scores.meters import GatewayMeters, Part
from coordinator.scores.scoring import AsyncScoreGateway, Relay, ServedModel, UnderWay
from crypto.errors import YurongError
from crypto.identifiers import ParticipantId
from models.hosting.errors import RequestRefused
from models.hosting.https import problems
from models.hosting.https.message_app import Operation, message_app, whoever_waits
from models.wire.online import Offer, OfferRequest, ReceiptReply, ReceiptRequest, ScoreAnswer, ScoreRequest

ANSWERED: Final = "answered"
"""The outcome of a score request that came to a score."""

OFFERS_AT_ONCE: Final = 32
"""Of one bank. An offer waits for nothing but a probe that is due, so only a bank that does not wait has so many."""


class RequestRecord(Protocol):
    """Where score requests are written down: `coordinator.scores.request_log.RequestLog`."""

    def received(self, relay: Relay) -> None:
        """A checked request came, for the first time or again."""
        ...

    def ended(self, digest: bytes, outcome: str) -> None:
        """A request that was received came to `ANSWERED` or to this type of problem."""
        ...


class GatewayService:
    """Answers banks. Used within one event loop."""

    def __init__(
        self,
        gateway: AsyncScoreGateway,
        *,
        record: RequestRecord,
        meters: GatewayMeters,
        queue: FairQueue | None = None,
    ) -> None:
        self.gateway = gateway
        self.meters = meters
        self._record = record
        self._queue = queue or FairQueue()
        self._going_on: set[asyncio.Task[None]] = set()
        self._offers: Counter[ParticipantId] = Counter()
        meters.watch(self._queue)

    async def offer(self, caller: ParticipantId, data: bytes) -> bytes:
        """The answer to an encoded `OfferRequest`; raises a `YurongError` to refuse."""
        request = OfferRequest.decode(data)
        self._check(caller, self.gateway.desk.model(request.model_version))
        if self._offers[caller] >= OFFERS_AT_ONCE:
            raise GatewayBusy
        self._offers[caller] += 1
        try:
            return (await self.gateway.offer(request)).encode()
        finally:
            self._offers[caller] -= 1

    async def score(self, caller: ParticipantId, data: bytes) -> bytes:
        """The answer to an encoded `ScoreRequest`; raises a `YurongError` to refuse."""
        under_way: UnderWay = set()
        with self.meters.timing(Part.ALL):
            async with AsyncExitStack() as turn:
                self.meters.took(Part.WAITING, await turn.enter_async_context(self._queue.turn(caller)))
                try:
                    began = perf_counter()
                    relay = self.gateway.desk.prepare(ScoreRequest.decode(data))
                    self._check(caller, relay.model, signed_by=relay.bank)
                    return await self._recorded(relay, perf_counter() - began, under_way)
                finally:
                    if under_way:
                        self._go_on(_end_when_done(turn.pop_all(), under_way))

    async def receipt(self, caller: ParticipantId, data: bytes) -> bytes:
        """The receipt of a request, by its digest. It says nothing that the log does not."""
        request = ReceiptRequest.decode(data)
        async with self._queue.turn(caller):
            return ReceiptReply(receipt=await self.gateway.log.receipt(request.request)).encode()

    async def close(self) -> None:
        """Wait for what is being written, and for what departments are still asked."""
        if self._going_on:
            await asyncio.wait(self._going_on)

    async def _recorded(self, relay: Relay, prepared: float, under_way: UnderWay) -> bytes:
        """The answer; the request is on record before anybody is asked."""
        await asyncio.to_thread(self._record.received, relay)
        outcome = problems.INTERNAL.slug
        try:
            with self.meters.timing(Part.LOG):
                proven = await self.gateway.place(relay)
            with self.meters.timing(Part.NETWORK):
                answers = await self.gateway.collect(relay, proven, under_way)
            began = perf_counter()
            score = self.gateway.combine(relay, proven, answers)
            answer = score.encode()
            self.meters.took(Part.CRYPTOGRAPHY, prepared + perf_counter() - began)
            self.gateway.log.answered(relay.digest, score.ciphertext)
            outcome = ANSWERED
        except DepartmentRefused as fault:
            outcome = fault.kind.slug
            self.gateway.log.refused(relay.digest, fault.department, outcome)
            raise
        except YurongError as fault:
            outcome = problems.problem_of(fault).slug
            raise
        finally:
            self._go_on(asyncio.to_thread(self._record.ended, relay.digest, outcome))
        return answer

    def _go_on(self, work: Coroutine[object, object, None]) -> None:
        """Have this done; nobody waits for it."""
        task = asyncio.create_task(work)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)

    @staticmethod
    def _check(caller: ParticipantId, model: ServedModel, *, signed_by: ParticipantId | None = None) -> None:
        if caller not in model.banks:
            raise RequestRefused(problems.FORBIDDEN, "only a bank of the model may ask for scores by it")
        if signed_by not in (None, caller):
            raise RequestRefused(problems.FORBIDDEN, "a score request was signed by another bank than sends it")


async def _end_when_done(turn: AsyncExitStack, under_way: UnderWay) -> None:
    """Keep a bank's turn until all departments are done with its request, not only until it was refused.

    Or a bank whose requests are refused by one department could have any number of them wait at the others, before
    those of another bank.
    """
    async with turn:
        if tasks := under_way.copy():  # the last one may have ended since
            await asyncio.wait(tasks)


Background = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def gateway_app(
    service: GatewayService, *, more: Iterable[Operation] = (), background: Background | None = None
) -> FastAPI:
    """The application, to be put behind a `Guard`. `background`: what goes on in its loop as long as it serves.

    more: what else banks may ask.
    """
    return message_app(
        "Yurong bureau",
        "Scores for banks. Every request is signed by RFC 9421 over mutual TLS.",
        [
            Operation("/v1/offers", whoever_waits(service.offer), OfferRequest, Offer),
            Operation("/v1/scores", whoever_waits(service.score), ScoreRequest, ScoreAnswer),
            Operation("/v1/receipts", whoever_waits(service.receipt), ReceiptRequest, ReceiptReply),
            *more,
        ],
        lifespan=background,
    )
