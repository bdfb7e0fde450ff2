"""HTTP/1.1 over TLS for httpx, in place of its own connections: the loop's TLS and httptools' parser.

httpx does TLS and HTTP in Python, and forgets a connection that is given up in the middle of its handshake, which then
stays open until the collector finds it. A probe that comes to no end in time is exactly that. The loop's own TLS
(uvloop's is compiled) closes what is given up. A request to a department takes the bureau 0.4 ms of processor so and
1.1 ms over httpcore, 26 times a score.

Only what our services need: a request whose body is in memory, an answer with a stated length or in chunks. One request
at a time goes over a connection; one that ends in another way than by its whole answer is closed.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

import httptools
import httpx

KEEP_ALIVE_SECONDS: Final = 60.0
"""A connection that is idle for so long is closed, before the other side does (`connection.Limits`)."""
MAXIMUM_HEAD_BYTES: Final = 1 << 16
_BUFFER_BYTES: Final = 1 << 18
"""So much of an answer may wait to be read before the other side has to."""

_Origin = tuple[str, int]


class TlsTransport(httpx.AsyncBaseTransport):
    """Carries requests over at most `connections` TLS connections of `context`, which are kept open.

    Used within one event loop. Raises httpx's errors, and leaves it to its caller how long anything may take, but for a
    request's `extensions["timeout"]["connect"]`: so many seconds for a new connection with its handshake.
    """

    def __init__(self, context: ssl.SSLContext, *, connections: int) -> None:
        self._context = context
        self._places = asyncio.Semaphore(connections)
        self._open: dict[_Connection, _Origin] = {}
        self._idle: list[_Connection] = []

    def is_connected(self) -> bool:
        """Whether one of the connections is open still, as far as anything has arrived to the contrary."""
        return any(not one.has_expired() for one in self._open)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return its answer when the head is here. Whoever has read it closes it."""
        message = _written(request)
        await self._places.acquire()
        connection: _Connection | None = None
        try:
            connection = self._take(_origin(request)) or await self._connect(request)
            status, headers = await connection.exchange(message)
        except BaseException:
            if connection is not None:
                connection.abort()
            self._places.release()
            raise
        return httpx.Response(status, headers=headers, stream=_Body(connection, self._give_back))

    async def aclose(self) -> None:
        """Close all connections."""
        closing = [one.closed for one in self._open]
        for connection in tuple(self._open):
            connection.abort()
        if closing:
            await asyncio.wait(closing, timeout=1.0)

    def _take(self, origin: _Origin) -> _Connection | None:
        """The connection that was used last and is open still."""
        for connection in reversed(tuple(self._idle)):
            if connection.has_expired():
                self._idle.remove(connection)
                connection.abort()
            elif self._open.get(connection) == origin:
                self._idle.remove(connection)
                return connection
        return None

    async def _connect(self, request: httpx.Request) -> _Connection:
        """A connection whose handshake is done."""
        host, port = origin = _origin(request)
        timeout = asyncio.timeout(request.extensions.get("timeout", {}).get("connect"))
        try:
            async with timeout:
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self._forget), host, port, ssl=self._context, server_hostname=host
                )
        except OSError as error:  # ssl.SSLError and TimeoutError among them
            kind = httpx.ConnectTimeout if timeout.expired() else httpx.ConnectError
            raise kind(type(error).__name__) from error
        self._open[connection] = origin
        return connection

    def _give_back(self, connection: _Connection) -> None:
        self._places.release()
        if connection.is_reusable():
            self._idle.append(connection)
        else:
            connection.abort()

    def _forget(self, connection: _Connection) -> None:
        self._open.pop(connection, None)
        if connection in self._idle:
            self._idle.remove(connection)


class _Connection(asyncio.Protocol):
    """One connection, and the answer that is arriving on it."""

    def __init__(self, forget: Callable[[_Connection], None]) -> None:
        self._forget = forget
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._used_at = time.monotonic()
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._frame_bytes = 0
        self._head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] | None = None
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._more: asyncio.Future[None] | None = None
        self._complete = True
        self._keeps_alive = True
        self._error: Exception | None = None

    # What a transport does with it.

    def has_expired(self) -> bool:
        """Whether it is closed, or was idle for too long."""
        idle = self._complete and time.monotonic() - self._used_at > KEEP_ALIVE_SECONDS
        return idle or self._error is not None or self._transport is None or self._transport.is_closing()

    def is_reusable(self) -> bool:
        """Whether the whole answer was read, and another may follow."""
        return self._complete and self._keeps_alive and not self._chunks and not self.has_expired()

    async def exchange(self, message: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send a request; return status and headers of its answer."""
        if self._error is not None or self._transport is None:
            raise self._error or httpx.RemoteProtocolError("a connection was closed")
        self._headers, self._head_bytes, self._frame_bytes, self._complete = [], 0, 0, False
        self._head = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._head

    async def chunk(self) -> bytes:
        """More of the answer's body; nothing at its end."""
        while not self._chunks and not self._complete:
            if self._error is not None:
                raise self._error
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        if not self._chunks:
            return b""
        data = self._chunks.popleft()
        self._buffered -= len(data)
        if self._buffered <= _BUFFER_BYTES and self._transport is not None:
            self._transport.resume_reading()
        return data

    def abort(self) -> None:
        """Close at once: nothing on it is waited for any more."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop tells it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some of an answer."""
        if self._complete:
            self._fail(httpx.RemoteProtocolError("an answer came that nobody asked for"))
            return
        if self._head is not None and not self._head.done():
            self._head_bytes += len(data)
        self._frame_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx.RemoteProtocolError("an answer is not HTTP"))
            return
        if self._head_bytes > MAXIMUM_HEAD_BYTES and self._head is not None and not self._head.done():
            self._fail(httpx.RemoteProtocolError("an answer's head is too long"))
        elif self._frame_bytes > MAXIMUM_HEAD_BYTES and not self._complete:
            self._fail(httpx.RemoteProtocolError("an answer has more to say of itself than anything"))

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        ended = httpx.RemoteProtocolError("closed by the other side")
        self._fail(httpx.ReadError(type(exc).__name__) if exc else ended)
        if not self.closed.done():
            self.closed.set_result(None)
        self._forget(self)

    # What the parser finds.

    def on_message_begin(self) -> None:
        """An answer begins; one that follows another is not ours."""
        if self._complete:
            raise httpx.RemoteProtocolError("two answers came to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of the head. After it none may come: nobody reads trailers, and they have no end of their own."""
        if self._head is not None and self._head.done():
            raise httpx.RemoteProtocolError("an answer has trailers")
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is here."""
        status = self._parser.get_status_code()
        if status < 200:
            raise httpx.RemoteProtocolError("an answer that is none yet")
        if self._head is not None and not self._head.done():
            self._head.set_result((status, self._headers))

    def on_body(self, data: bytes) -> None:
        """Some of the body."""
        self._frame_bytes = 0
        self._chunks.append(data)
        self._buffered += len(data)
        if self._buffered > _BUFFER_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self._complete = True
        # Only now: when the parser comes back it has forgotten the head.
        self._keeps_alive = self._parser.should_keep_alive()
        self._used_at = time.monotonic()
        self._wake()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        if self._head is not None and not self._head.done():
            self._head.set_exception(self._error)
        self._wake()
        self.abort()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)


class _Body(httpx.AsyncByteStream):
    """The body of an answer; its connection is given back when it is closed."""

    def __init__(self, connection: _Connection, give_back: Callable[[_Connection], None]) -> None:
        self._connection: _Connection | None = connection
        self._give_back = give_back

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """All that arrives."""
        while self._connection is not None and (data := await self._connection.chunk()):
            yield data

    async def aclose(self) -> None:
        """Nothing more of it is read."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._give_back(connection)


def _origin(request: httpx.Request) -> _Origin:
    return request.url.host, request.url.port or 443


def _written(request: httpx.Request) -> bytes:
    """A request as it is sent. httpx has put its host and its length among the headers."""
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%s: %s" % field for field in request.headers.raw]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1:
        raise httpx.LocalProtocolError("a header has a line break")
    return head + b"\r\n\r\n" + request.content
