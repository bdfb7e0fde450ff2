"""TLS streams of the event loop for httpx, in place of its own.

httpx does TLS in Python, in memory, and forgets a connection that is given up in the middle of its handshake, which
then stays open until the collector finds it. A probe that comes to no end in time is exactly that. The loop's own TLS
(uvloop's is compiled) closes what is given up, and takes a third of the processor time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import httpcore
import httpx

KEEP_ALIVE_SECONDS: Final = 60.0
"""A connection that is idle for so long is closed, before the other side does (`models.hosting.connection.Limits`)."""


class TlsTransport(httpx.AsyncHTTPTransport):
    """Carries requests over at most `connections` TLS connections of `context`, which are kept open."""

    def __init__(self, context: ssl.SSLContext, *, connections: int) -> None:
        # The parent's own pool is never made; what it adds to one is the errors' translation.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=_Network(context),
        )

    def is_connected(self) -> bool:
        """Whether one of the connections is open still, as far as anything has arrived to the contrary."""
        return any(not one.is_closed() and not one.has_expired() for one in self._pool.connections)


class _Network(httpcore.AsyncNetworkBackend):
    """Connects with TLS at once; httpcore's second step, the change to TLS, finds it done."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """A connection whose handshake is done."""
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_connection(host, port, ssl=self._context, server_hostname=host)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("no connection in time") from error
        except OSError as error:  # ssl.SSLError among them
            raise httpcore.ConnectError(type(error).__name__) from error
        return _Stream(reader, writer)


class _Stream(httpcore.AsyncNetworkStream):
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """What has arrived; nothing at its end."""
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("nothing arrived in time") from error
        except OSError as error:
            raise httpcore.ReadError(type(error).__name__) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send all of it."""
        try:
            self._writer.write(buffer)
            async with asyncio.timeout(timeout):
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout("nothing was taken in time") from error
        except OSError as error:
            raise httpcore.WriteError(type(error).__name__) from error

    async def aclose(self) -> None:
        """Close at once: whoever closes a connection here waits for nothing on it."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 - httpcore's signature
        server_hostname: str | None = None,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """Itself: it is TLS from its first byte."""
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks: whether the connection can be read from while it is idle, which means that it ended."""
        if info == "is_readable":
            return self._reader.at_eof() or self._writer.transport.is_closing()
        return self._writer.get_extra_info(info)
