"""The other side of a connection that this node opens: one peer, over TLS that trusts that peer's certificates alone.

Who calls is shown twice, as `guard.py` wants it: by the certificate of the connection and by a signature
(RFC 9421) in every request. Who answers is shown by the certificate: it must be one that the peer's pinned documents
name. Documents are looked up again every second, and at once when a connection cannot be made, so that a rotation of
keys is followed without a restart; connections that are open stay open until then. Of two documents with two addresses
the one that answered last is asked first.

An answer is taken if it has status 200, the one media type and no more bytes than it may have. A problem (RFC 9457)
becomes a `RemoteProblem`. Nothing is decompressed, no redirect is followed and no cookie is kept.

Every request of ours may be sent twice: each is answered twice with the same bytes, or changes nothing.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import httpx

from crypto.errors import MalformedMessage, PeerError
from crypto.identifiers import ParticipantId
from models.hosting.errors import PeerUnreachable
from models.hosting.https import problems
from models.hosting.https.streams import TlsTransport

MEDIA_TYPE: Final = "application/vnd.yurong+msgpack"
LOOK_SECONDS: Final = 1.0

_ATTEMPTS: Final = 2
_CUT: Final = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError, ssl.SSLError, OSError)


class Signer(Protocol):
    """Signs a request: `models.hosting.https.signatures.RequestSigner`."""

    def sign(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """The headers that show who sends it."""
        ...


class PeerDocument(Protocol):
    """What is read of a pinned `ParticipantDocument`."""

    @property
    def address(self) -> str:
        """Its https origin, or nothing."""
        ...

    @property
    def certificate(self) -> bytes:
        """Its TLS certificate (DER), or nothing."""
        ...


NewTransport = Callable[[Sequence[bytes]], httpx.AsyncBaseTransport]
"""Makes what carries requests to a peer that shows one of these certificates (DER)."""


def pinned_transport(
    new_context: Callable[[Sequence[bytes]], ssl.SSLContext], *, connections: int = 32
) -> NewTransport:
    """Carry requests over TLS connections that are kept open. `new_context` trusts the given certificates alone."""

    def make(certificates: Sequence[bytes]) -> httpx.AsyncBaseTransport:
        return TlsTransport(new_context(certificates), connections=connections)

    return make


Traffic = Callable[[int, int], None]
"""Is told of every exchange that came to an answer how many bytes went to a peer and came back, TLS's own not."""


def uncounted(_sent: int, _received: int) -> None:
    """Nobody wants to know."""


class Peer:
    """One peer. Used within one event loop.

    `documents`: what is pinned of it and in force, newest first. `own`: changes when this node's certificate does.
    """

    def __init__(
        self,
        name: ParticipantId,
        *,
        documents: Callable[[], Sequence[PeerDocument]],
        signer: Signer,
        new_transport: NewTransport,
        own: Callable[[], object] = lambda: None,
        traffic: Traffic = uncounted,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._documents = documents
        self._signer = signer
        self._new_transport = new_transport
        self._own = own
        self._traffic = traffic
        self._monotonic = monotonic
        self._looked_at = float("-inf")
        self._made_of: object = None
        self._transport: httpx.AsyncBaseTransport | None = None
        self._addresses: list[str] = []
        self._retired: set[asyncio.Task[None]] = set()

    async def post(self, path: str, body: bytes, *, maximum_bytes: int, timeout_seconds: float) -> bytes:
        """The body of the answer, at most `maximum_bytes`, within `timeout_seconds` in all.

        Raises `PeerUnreachable` if there is none, `RemoteProblem` if the peer says what is wrong, `PeerError` for an
        answer that is none.
        """
        sent = False
        try:
            async with asyncio.timeout(timeout_seconds):
                for attempt in range(_ATTEMPTS):
                    transport = self._current(again=attempt > 0)
                    address = self._addresses[0]
                    # Of two addresses one may lead nowhere: the other gets as much time.
                    connect_seconds = timeout_seconds / _ATTEMPTS if len(self._addresses) > 1 else None
                    try:
                        return await self._exchange(
                            transport, address + path, body, maximum_bytes, connect_seconds=connect_seconds
                        )
                    except (httpx.ConnectError, httpx.ConnectTimeout):
                        self._turn_from(address)
                    except _CUT:
                        sent = True  # an idle connection was closed meanwhile, or the peer went away
        except (TimeoutError, httpx.TimeoutException):
            raise PeerUnreachable(self.name, "no answer in time", sent=True) from None
        except httpx.HTTPError as fault:
            raise PeerUnreachable(self.name, type(fault).__name__, sent=True) from None
        raise PeerUnreachable(self.name, "connection cut" if sent else "not connected", sent=sent)

    def is_connected(self) -> bool:
        """Whether nothing speaks against it that the peer is there: no request was made yet, or a connection is open.

        When the peer's process ends, killed or not, its machine closes the connections at once.
        """
        return not isinstance(self._transport, TlsTransport) or self._transport.is_connected()

    async def close(self) -> None:
        """Close all connections."""
        transport, self._transport, self._made_of = self._transport, None, None
        if transport is not None:
            await transport.aclose()
        for task in tuple(self._retired):
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)

    def _current(self, *, again: bool) -> httpx.AsyncBaseTransport:
        """What carries requests now: another one since the last look if documents or keys have changed."""
        now = self._monotonic()
        if self._transport is not None and not again and now - self._looked_at < LOOK_SECONDS:
            return self._transport
        documents = self._documents()
        addresses = list(dict.fromkeys(document.address for document in documents if document.address))
        certificates = tuple(document.certificate for document in documents if document.certificate)
        if not addresses or not certificates:
            raise PeerUnreachable(self.name, "its pinned document names no address or no certificate", sent=False)
        self._looked_at = now
        made_of = (tuple(addresses), certificates, self._own())
        if self._transport is None or made_of != self._made_of:
            if self._transport is not None:
                self._retire(self._transport)
            self._transport, self._made_of = self._new_transport(certificates), made_of
            if set(addresses) != set(self._addresses):  # else what is known of them stays good
                self._addresses = addresses
        return self._transport

    def _turn_from(self, address: str) -> None:
        """Begin with another address from now on, unless a request beside this one has found that out already."""
        if self._addresses[0] == address:
            self._addresses.append(self._addresses.pop(0))

    def _retire(self, transport: httpx.AsyncBaseTransport) -> None:
        """Close it when what is under way in it has had its time."""

        async def later() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await transport.aclose()

        task = asyncio.create_task(later())
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _exchange(
        self,
        transport: httpx.AsyncBaseTransport,
        url: str,
        body: bytes,
        maximum_bytes: int,
        *,
        connect_seconds: float | None,
    ) -> bytes:
        headers = {"Content-Type": MEDIA_TYPE, **self._signer.sign("POST", url, body)}
        extensions = {"timeout": {"connect": connect_seconds}}
        request = httpx.Request("POST", url, headers=headers, content=body, extensions=extensions)
        response = await transport.handle_async_request(request)
        try:
            kind, ok = response.headers.get("content-type", ""), response.status_code == httpx.codes.OK
            data = await self._read(response, maximum_bytes if ok else problems.MAXIMUM_PROBLEM_BYTES)
        finally:
            await response.aclose()
        self._traffic(
            _head_bytes(f"POST {request.url.path} HTTP/1.1", request.headers) + len(body),
            _head_bytes(f"HTTP/1.1 {response.status_code} {response.reason_phrase}", response.headers) + len(data),
        )
        if not ok:
            raise problems.remote_problem(response.status_code, kind, data)
        if kind != MEDIA_TYPE or "content-encoding" in response.headers:
            raise PeerError(f"{self.name} answered with another media type than ours")
        return data

    async def _read(self, response: httpx.Response, maximum_bytes: int) -> bytes:
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise MalformedMessage(f"an answer of {self.name} cannot be read")
        data = bytearray()
        async for chunk in stream:
            data += chunk
            if len(data) > maximum_bytes:
                raise MalformedMessage(f"an answer of {self.name} is larger than any should be")
        return bytes(data)


def _head_bytes(first_line: str, headers: httpx.Headers) -> int:
    """Of a message's head: a colon and a space in each header, a line break after every line and one more."""
    return len(first_line) + 4 + sum(len(name) + len(value) + 4 for name, value in headers.raw)
