"""What banks ask of the bureau over HTTPS: `docs/protocols.md`, "Score of one enterprise".

    POST /v1/offers   OfferRequest -> Offer          which departments are up?
    POST /v1/scores   ScoreRequest -> ScoreAnswer    the same bytes may be sent again until they expire

`models.hosting.guard.Guard` stands before this application: whose request it is, is known. It is answered if that is a
bank of the model, and the one that signed what is asked. Bodies are MessagePack, refusals RFC 9457.

The bureau writes down every score request before a department sees it, and what came of it: who asked, when, by which
model, and who was missing. It does not know about whom.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Final, Protocol

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from coordinator.fair_queue import FairQueue
from coordinator.meters import GatewayMeters, Part
from coordinator.scoring import AsyncScoreGateway, Relay, ServedModel
from crypto.errors import YurongError
from crypto.identifiers import ParticipantId
from models.hosting import problems
from models.hosting.errors import RequestRefused
from models.hosting.guard import caller_of
from models.hosting.openapi import message_body, message_responses
from models.hosting.peer import MEDIA_TYPE
from models.wire.online import Offer, OfferRequest, OnlineStep, ScoreAnswer, ScoreRequest

ANSWERED: Final = "answered"
"""The outcome of a score request that came to a score."""


class RequestRecord(Protocol):
    """Where score requests are written down: `coordinator.request_log.RequestLog`."""

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
        self._writing: set[asyncio.Task[None]] = set()
        meters.watch(self._queue)

    async def offer(self, caller: ParticipantId, data: bytes) -> bytes:
        """The answer to an encoded `OfferRequest`; raises a `YurongError` to refuse."""
        request = OfferRequest.decode(data)
        self._check(caller, self.gateway.desk.model(request.model_version))
        return (await self.gateway.offer(request)).encode()

    async def score(self, caller: ParticipantId, data: bytes) -> bytes:
        """The answer to an encoded `ScoreRequest`; raises a `YurongError` to refuse."""
        with self.meters.timing(Part.ALL):
            async with self._queue.turn(caller) as waited:
                self.meters.took(Part.WAITING, waited)
                began = perf_counter()
                relay = self.gateway.desk.prepare(ScoreRequest.decode(data))
                self._check(caller, relay.model, signed_by=relay.bank)
                prepared = perf_counter() - began
                return await self._recorded(relay, prepared)

    async def close(self) -> None:
        """Wait for what is being written."""
        if self._writing:
            await asyncio.wait(self._writing)

    async def _recorded(self, relay: Relay, prepared: float) -> bytes:
        """The answer; the request is on record before anybody is asked."""
        await asyncio.to_thread(self._record.received, relay)
        outcome = problems.INTERNAL.slug
        try:
            with self.meters.timing(Part.NETWORK):
                answers = await self.gateway.collect(relay)
            began = perf_counter()
            answer = self.gateway.combine(relay, answers).encode()
            self.meters.took(Part.CRYPTOGRAPHY, prepared + perf_counter() - began)
            outcome = ANSWERED
        except YurongError as fault:
            outcome = problems.problem_of(fault).slug
            raise
        finally:
            self._end(relay.digest, outcome)
        return answer

    def _end(self, digest: bytes, outcome: str) -> None:
        """Have the outcome written down; nobody waits for that."""
        task = asyncio.create_task(asyncio.to_thread(self._record.ended, digest, outcome))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    @staticmethod
    def _check(caller: ParticipantId, model: ServedModel, *, signed_by: ParticipantId | None = None) -> None:
        if caller not in model.banks:
            raise RequestRefused(problems.FORBIDDEN, "only a bank of the model may ask for scores by it")
        if signed_by not in (None, caller):
            raise RequestRefused(problems.FORBIDDEN, "a score request was signed by another bank than sends it")


_Handler = Callable[[ParticipantId, bytes], Awaitable[bytes]]
Background = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def gateway_app(service: GatewayService, *, background: Background | None = None) -> FastAPI:
    """The application, to be put behind a `Guard`. `background`: what goes on in its loop as long as it serves."""
    app = FastAPI(
        lifespan=background,
        title="Yurong bureau",
        summary="Scores for banks. Every request is signed by RFC 9421 over mutual TLS.",
        version="1",
        docs_url=None,
        redoc_url=None,
        exception_handlers={YurongError: problems.answer_error, HTTPException: problems.answer_error},
    )
    operations = (
        ("/v1/offers", OnlineStep.OFFER, service.offer, OfferRequest, Offer),
        ("/v1/scores", OnlineStep.ASK, service.score, ScoreRequest, ScoreAnswer),
    )
    for path, step, handler, request_type, reply_type in operations:
        app.add_api_route(
            path,
            _endpoint(service.meters, handler, request_type.MAXIMUM_BYTES),
            methods=["POST"],
            name=step,
            summary=(handler.__doc__ or "").strip(),
            response_class=Response,
            response_model=None,
            openapi_extra=message_body(request_type.__doc__ or "", request_type.MAXIMUM_BYTES),
            responses=message_responses(reply_type.__doc__ or "", reply_type.MAXIMUM_BYTES),
        )
    return app


def _endpoint(meters: GatewayMeters, handler: _Handler, maximum_bytes: int) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        data, reply = await _read(request, maximum_bytes), b""
        try:
            reply = await handler(caller_of(request.scope), data)
        finally:
            meters.with_banks(_head_bytes(request) + len(data), len(reply))
        return Response(reply, media_type=MEDIA_TYPE)

    return endpoint


async def _read(request: Request, maximum_bytes: int) -> bytes:
    """The body, which the guard has read already; a message of ours is smaller than what the guard lets through."""
    if request.headers.get("content-type") != MEDIA_TYPE:
        raise RequestRefused(problems.UNSUPPORTED_MEDIA_TYPE)
    data = await request.body()
    if len(data) > maximum_bytes:
        raise RequestRefused(problems.BODY_TOO_LARGE)
    return data


def _head_bytes(request: Request) -> int:
    return len(request.url.path) + sum(len(name) + len(value) + 4 for name, value in request.headers.raw)
