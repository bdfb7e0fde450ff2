"""The HTTP servers of a node: uvicorn on uvloop and httptools, within bounds that no caller can lift.

    serve(app, ...)          TLS 1.3 with certificates on both sides, in the calling thread, until SIGTERM or SIGINT
    BackgroundServer(app)    without TLS and in a thread of its own: the operations endpoint beside a service

| bound                             | what happens beyond it                                          |
|-----------------------------------|-----------------------------------------------------------------|
| `handshake_seconds`               | the connection is cut                                           |
| `handshakes`                      | `listener.py`: of those under way the oldest is cut, whoever has opened it |
| `header_seconds`, `header_bytes`  | `connection.py`: problem `body-too-slow`, `headers-too-large`; cut |
| `idle_seconds`                    | a connection that waits for its next request is closed          |
| `connections`, `connections_of_a_party` | of pinned parties, after the handshake: problem `too-many-requests`, cut |
| `shutdown_seconds`                | what is still under way after SIGTERM is broken off             |

Certificates and pins change while the server runs. `changed()` is looked at each second; when its value is another
one, `context_factory()` makes a new TLS context and every handshake from then on uses it, by OpenSSL's server name
callback, which it calls for clients that name no server as well. The trust anchors are those of the new context.
Connections that are open stay open; who is no longer pinned is refused by `Guard` in its next request.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import signal
import ssl
import threading
from collections.abc import Callable, Generator, Hashable
from types import FrameType
from typing import Any, Final, Self, cast

import uvicorn
from starlette.types import ASGIApp

from models.hosting.errors import ListenRefused
from models.hosting.https.connection import Connection, Limits
from models.hosting.https.listener import Listener, listening_sockets

LOOK_TICKS: Final = 10
"""Of a tenth of a second each: how often `changed` is looked at."""

_LOG: Final = logging.getLogger("yurong.server")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

ContextFactory = Callable[[], ssl.SSLContext]
OnReady = Callable[[int], object]
"""Is told the port when connections are accepted."""


class ContextSwitch:
    """The TLS context of new handshakes: made anew when `changed()` gives another value."""

    def __init__(self, factory: ContextFactory, changed: Callable[[], Hashable]) -> None:
        self._factory, self._changed = factory, changed
        # Before the files are read: what changes meanwhile is seen at the next look.
        self._seen = changed()
        self.current = factory()
        self.listening = self.current
        """The context that connections are accepted with; the callback then gives them the current one."""
        self.listening.sni_callback = self._switch

    async def look(self) -> None:
        """Take up a change. While the files are in disorder the old context goes on, and the next look tries again."""
        try:
            seen = self._changed()
            if seen == self._seen:
                return
            # Opening a sealed key takes a key derivation.
            self.current = await asyncio.to_thread(self._factory)
        except Exception as error:  # noqa: BLE001 - whatever is the matter with a file, the service goes on
            _LOG.error("certificates unusable", extra={"error": error})
            return
        self._seen = seen
        _LOG.info("certificates changed")

    def _switch(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self.current


class _Server(uvicorn.Server):
    """uvicorn's server, with our listener, our clock of changes, and an end that counts as a success."""

    def __init__(
        self,
        config: uvicorn.Config,
        limits: Limits,
        switch: ContextSwitch | None,
        on_ready: OnReady | None,
        stop: threading.Event | None,
    ) -> None:
        super().__init__(config)
        self._limits, self._switch, self._on_ready, self._stop = limits, switch, on_ready, stop
        self.port = 0

    async def startup(self, sockets: object = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Listen. uvicorn's own would set no bound to handshakes."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise ListenRefused("the service could not start", advice="The line before this one in the log says why.")
        loop = asyncio.get_running_loop()
        new_connection = functools.partial(
            Connection, self.config, self.server_state, self.lifespan.state, _loop=loop, limits=self._limits
        )
        try:
            listening = listening_sockets(self.config.host, self.config.port, self.config.backlog)
        except OSError as error:
            await self.lifespan.shutdown()
            raise ListenRefused(
                f"{self.config.host}:{self.config.port} cannot be listened on ({type(error).__name__})",
                advice="See that no other process has the port, and that the address is of this machine.",
            ) from None
        listener = Listener(
            listening,
            new_connection,
            tls=self._switch.listening if self._switch else None,
            handshakes=self._limits.handshakes,
            handshake_seconds=self._limits.handshake_seconds,
        )
        self.servers = [cast(Any, listener)]
        self.port = listening[0].getsockname()[1]
        self.started = True
        if self._on_ready:
            self._on_ready(self.port)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if self._stop is not None and self._stop.is_set():
            self.should_exit = True
        if self._switch is not None and counter % LOOK_TICKS == 0:
            await self._switch.look()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """End at a signal, and end well: uvicorn would raise it once more and so let the process die of it."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._end) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.should_exit = True


def _server(
    app: ASGIApp,
    host: str,
    port: int,
    limits: Limits,
    *,
    switch: ContextSwitch | None = None,
    on_ready: OnReady | None = None,
    stop: threading.Event | None = None,
) -> _Server:
    config = uvicorn.Config(
        cast(Any, app),
        host=host,
        port=port,
        loop="uvloop",
        http=Connection,
        ws="none",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=math.ceil(limits.idle_seconds),
        timeout_graceful_shutdown=math.ceil(limits.shutdown_seconds),
    )
    return _Server(config, limits, switch, on_ready, stop)


def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    context_factory: ContextFactory,
    changed: Callable[[], Hashable],
    limits: Limits | None = None,
    on_ready: OnReady | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve `app` over TLS until SIGTERM, SIGINT or `stop`; then finish what is under way, within its bound.

    context_factory: makes the TLS context (`tls.server_context`). changed: cheap, gives another value
    after every change of what it is made of. port: 0 for any that is free; on_ready is told which. Raises
    `TlsUnusable` and `ListenRefused`. In a thread other than the main one signals do nothing and `stop` is needed.
    """
    switch = ContextSwitch(context_factory, changed)
    _server(app, host, port, limits or Limits(), switch=switch, on_ready=on_ready, stop=stop).run()


class BackgroundServer:
    """A plain server in a thread of its own, from `with` to its end. `port`: the one it listens on.

    It answers while the loop of the service is busy or stuck, which is when one looks at it.
    """

    def __init__(self, app: ASGIApp, *, host: str = "127.0.0.1", port: int, limits: Limits | None = None) -> None:
        self._stop, self._ready = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._server = _server(
            app, host, port, limits or Limits(shutdown_seconds=1.0), on_ready=self._note, stop=self._stop
        )
        self._thread = threading.Thread(target=self._run, name="operations", daemon=True)
        self.port = port

    def __enter__(self) -> Self:
        """Listen; raises `ListenRefused`."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _note(self, port: int) -> None:
        self.port = port
        self._ready.set()

    def _run(self) -> None:
        try:
            self._server.run()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        finally:
            self._ready.set()
