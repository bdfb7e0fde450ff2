"""One connection of our HTTP servers: uvicorn's httptools protocol, with bounds that it has not.

| uvicorn's own                                       | here                                             |
|-----------------------------------------------------|--------------------------------------------------|
| a header may be as long as the sender likes         | `header_bytes`                                   |
| and take as long                                    | `header_seconds` from its first byte             |
| as many connections as there are descriptors        | `connections`, `connections_of_a_party`; before  |
|                                                     | the handshake is done, `listener.py`             |
| a request that is no HTTP gets a line of text       | a problem of RFC 9457                            |
| an app does not see the caller's certificate        | `scope["extensions"]["yurong.peer_certificate"]["der"]` |
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.events import TimerHandle
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from models.hosting.https.guard import PEER_CERTIFICATE
from models.hosting.https.problems import (
    BODY_TOO_SLOW,
    HEADERS_TOO_LARGE,
    MALFORMED,
    TOO_MANY_REQUESTS,
    Problem,
    ProblemKind,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a caller may take. `connections_of_a_party`: of those with one and the same certificate.

    `handshakes`: connections that nobody has shown a certificate on yet.
    """

    header_bytes: int = 16 << 10
    header_seconds: float = 10.0
    handshake_seconds: float = 10.0
    handshakes: int = 256
    idle_seconds: float = 75.0
    shutdown_seconds: float = 10.0
    connections: int = 1024
    connections_of_a_party: int = 128


class _HeadersTooLarge(Exception):
    """Ends the parsing of a request."""


class Connection(HttpToolsProtocol):
    """One connection of a caller."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits or Limits()
        self._header_timer: TimerHandle | None = None
        self._in_header = True
        self._header_bytes = 0
        self._kind = MALFORMED
        self.peer_certificate = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection is there, its handshake done."""
        super().connection_made(transport)  # type: ignore[arg-type]
        tls = transport.get_extra_info("ssl_object")
        if isinstance(tls, ssl.SSLObject | ssl.SSLSocket):
            self.peer_certificate = tls.getpeercert(binary_form=True) or b""
        if self._too_many():
            self._refuse(TOO_MANY_REQUESTS)
        else:
            self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._end_header()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request, or of several."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_header and not self.transport.is_closing():
            # The parser gives a header when it is whole; one that never ends is counted here.
            self._header_bytes += len(data)
            if self._header_bytes > self._limits.header_bytes:
                self._refuse(HEADERS_TOO_LARGE)
        if self._header_timer is None and self.timeout_keep_alive_task is None and not self._answering():
            # Line breaks before a request end uvicorn's idle time and begin no request.
            self._await_header()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_header, self._header_bytes = True, 0
        if self._header_timer is None:
            self._await_header()
        self.scope["extensions"] = {PEER_CERTIFICATE: {"der": self.peer_certificate}}

    def on_url(self, url: bytes) -> None:
        """A part of the request line's target."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head of a request is whole."""
        self._end_header()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Answer what the parser refused."""
        self._refuse(self._kind)

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.header_bytes:
            self._kind = HEADERS_TOO_LARGE
            raise _HeadersTooLarge

    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(self._limits.header_seconds, self._header_late)

    def _end_header(self) -> None:
        self._in_header = False
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _header_late(self) -> None:
        self._header_timer = None
        self._refuse(BODY_TOO_SLOW)

    def _too_many(self) -> bool:
        """Whether there are more connections than may be, this one among them."""
        all_of_them = self.connections
        if len(all_of_them) > self._limits.connections:
            return True
        of_the_party = sum(getattr(one, "peer_certificate", b"") == self.peer_certificate for one in all_of_them)
        return bool(self.peer_certificate) and of_the_party > self._limits.connections_of_a_party

    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _refuse(self, kind: ProblemKind) -> None:
        """Say what is wrong, if nothing else is being said on this connection, and close it."""
        self._end_header()
        if self.transport.is_closing():
            return
        if not self._answering():
            problem = Problem(kind=kind)
            body = problem.to_json()
            headers = [*problem.headers(), ("content-length", str(len(body))), ("connection", "close")]
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
            self.transport.write(STATUS_LINE[kind.status] + lines.encode("ascii") + b"\r\n" + body)
        self.transport.close()
