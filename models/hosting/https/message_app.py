"""An application whose operations each take one message of ours and give one, to be put behind a `Guard`.

    app = message_app("Yurong bureau", "Scores for banks.", [Operation("/v1/offers", offer, OfferRequest, Offer)])

A body that is another media type or too large is refused before the handler sees it; a `YurongError` becomes a problem
(RFC 9457). OpenAPI describes all of it.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from crypto.errors import YurongError
from crypto.identifiers import ParticipantId
from models.hosting.https.guard import caller_of
from models.hosting.https.message import read_message
from models.hosting.https.openapi import message_body, message_responses
from models.hosting.https.peer import MEDIA_TYPE
from models.hosting.https.refusals import answer_error

Gone = Callable[[], Awaitable[bool]]
"""Whether nobody waits for the answer any more."""

Handler = Callable[[ParticipantId, bytes, Gone], Awaitable[bytes]]
"""Answers a caller's encoded message; raises a `YurongError` to refuse."""


class Message(Protocol):
    """A kind of message; its docstring describes it."""

    MAXIMUM_BYTES: ClassVar[int]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that may be asked, by POST."""

    path: str
    handler: Handler
    takes: type[Message]
    gives: type[Message]


def whoever_waits(handler: Callable[[ParticipantId, bytes], Awaitable[bytes]]) -> Handler:
    """A handler that answers whether or not anybody waits still."""

    @functools.wraps(handler)
    async def heedless(caller: ParticipantId, data: bytes, _gone: Gone) -> bytes:
        return await handler(caller, data)

    return heedless


def message_app(
    title: str, summary: str, operations: Iterable[Operation], *, lifespan: Lifespan[FastAPI] | None = None
) -> FastAPI:
    """The application. `lifespan`: what goes on in its loop as long as it serves."""
    app = FastAPI(
        lifespan=lifespan,
        title=title,
        summary=summary,
        version="1",
        docs_url=None,
        redoc_url=None,
        exception_handlers={YurongError: answer_error, HTTPException: answer_error},
    )
    for operation in operations:
        takes, gives = operation.takes, operation.gives
        app.add_api_route(
            operation.path,
            _endpoint(operation.handler, takes.MAXIMUM_BYTES),
            methods=["POST"],
            summary=(operation.handler.__doc__ or "").strip(),
            response_class=Response,
            response_model=None,
            openapi_extra=message_body(takes.__doc__ or "", takes.MAXIMUM_BYTES),
            responses=message_responses(gives.__doc__ or "", gives.MAXIMUM_BYTES),
        )
    return app


def _endpoint(handler: Handler, maximum_bytes: int) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        caller, data = caller_of(request.scope), await read_message(request, maximum_bytes)
        return Response(await handler(caller, data, request.is_disconnected), media_type=MEDIA_TYPE)

    return endpoint
