"""Takes connections in, and lets no number of them that come to no handshake keep others out.

TLS is made before anybody is known, so a handshake costs a descriptor for whoever cares to connect. uvicorn, and
the event loop's own listener, count none of them. Here each is counted from `accept` on:

    more than `handshakes` under way     the one that has taken longest is cut off, and the new one goes on

An honest handshake takes milliseconds. Who holds places with silent connections loses its own first, and would have to
open hundreds of connections within those milliseconds, again and again, to push an honest one out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

_BUSY_SECONDS: Final = 0.1
"""The pause after the machine gave no descriptor; meanwhile others end."""

_LOG: Final = logging.getLogger("yurong.server")


class Listener:
    """Listening sockets whose connections are made in the running loop, until `close`. uvicorn's view of a server."""

    def __init__(
        self,
        sockets: list[socket.socket],
        new_connection: Callable[[], asyncio.Protocol],
        *,
        tls: ssl.SSLContext | None,
        handshakes: int,
        handshake_seconds: float,
    ) -> None:
        self.sockets = sockets
        self._new_connection, self._tls = new_connection, tls
        self._maximum, self._seconds = handshakes, handshake_seconds
        # In the order in which they came.
        self._under_way: dict[socket.socket, asyncio.Task[None]] = {}
        self._accepting = [asyncio.create_task(self._accept(one)) for one in sockets]

    def close(self) -> None:
        """Take no more connections in, and give up those whose handshake is not done."""
        for task in self._accepting:
            task.cancel()
        for one in self.sockets:
            one.close()
        for one in list(self._under_way):
            _cut(one)

    async def wait_closed(self) -> None:
        """Return when nothing is under way any more."""
        await asyncio.gather(*self._accepting, *self._under_way.values(), return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as error:
                # The other side went away before it was taken in, or no descriptor is left.
                _LOG.warning("a connection could not be taken in", extra={"error": error})
                await asyncio.sleep(_BUSY_SECONDS)
                continue
            if len(self._under_way) >= self._maximum:
                _cut(next(iter(self._under_way)))
            task = asyncio.create_task(self._begin(connection))
            self._under_way[connection] = task

    async def _begin(self, connection: socket.socket) -> None:
        seconds = self._seconds if self._tls else None
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                self._new_connection,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=seconds,
            )
        except (OSError, ConnectionError, TimeoutError):
            connection.close()  # a handshake that came to nothing; ssl.SSLError among them
        finally:
            self._under_way.pop(connection, None)


def listening_sockets(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Sockets that listen on every address of `host`, at one port; raises `OSError`."""
    sockets: list[socket.socket] = []
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with contextlib.ExitStack() as undo:
        for family, kind, protocol, _, (name, _, *rest) in dict.fromkeys(found):
            one = undo.enter_context(socket.socket(family, kind, protocol))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Where any port is good, the first address chooses for all.
            one.bind((name, sockets[0].getsockname()[1] if sockets else port, *rest))
            one.listen(backlog)
            one.setblocking(False)
            sockets.append(one)
        undo.pop_all()
    return sockets


def _cut(connection: socket.socket) -> None:
    """End a connection under a handshake; its task then finds it closed."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
