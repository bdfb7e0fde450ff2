"""A message of ours as the body of a request that a `Guard` let through."""

from __future__ import annotations

from starlette.requests import Request

from models.hosting.errors import RequestRefused
from models.hosting.https.peer import MEDIA_TYPE
from models.hosting.https.problems import BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE


async def read_message(request: Request, maximum_bytes: int) -> bytes:
    """The body, which the guard has read already; a message may be smaller than what the guard lets through.

    Raises `RequestRefused`.
    """
    if request.headers.getlist("content-type") != [MEDIA_TYPE]:
        raise RequestRefused(UNSUPPORTED_MEDIA_TYPE)
    data = await request.body()
    if len(data) > maximum_bytes:
        raise RequestRefused(BODY_TOO_LARGE)
    return data
