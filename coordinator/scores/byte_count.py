"""Counts what goes over the connections of a service: heads and bodies, in both directions, as they stand on the wire.

TLS's own bytes are not counted, nor what the server refuses before it is a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Count = Callable[[int, int], None]
"""Is told of every request how many bytes came and how many went."""

_DATE: Final = [(b"date", b"Sun, 06 Nov 1994 08:49:37 GMT")]
"""The server's own header, which no application sees."""


class CountedBytes:
    """An ASGI app that counts the bytes of `app`. It stands before the `Guard`, so that refusals count too."""

    def __init__(self, app: ASGIApp, count: Count) -> None:
        self._app, self._count = app, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        target = scope.get("raw_path") or scope["path"].encode()
        received, sent = _head_bytes(f"{scope['method']} {target.decode('latin-1')} HTTP/1.1", scope["headers"]), 0

        async def arriving() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def leaving(message: Message) -> None:
            nonlocal sent
            if message["type"] == "http.response.start":
                status = HTTPStatus(message["status"])
                sent += _head_bytes(f"HTTP/1.1 {status.value} {status.phrase}", [*message.get("headers", ()), *_DATE])
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, arriving, leaving)
        finally:
            self._count(received, sent)


def _head_bytes(first_line: str, headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Of a message's head: a colon and a space in each header, a line break after every line and one more."""
    return len(first_line) + 4 + sum(len(name) + len(value) + 4 for name, value in headers)
