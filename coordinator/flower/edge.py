"""The only thing of Flower's that participants reach: the calls of their SuperNodes, each as itself alone.

    participant --TLS 1.3, both certificates pinned--> edge --TLS on the loopback--> SuperLink

| who         | learns here                                                                              |
|-------------|------------------------------------------------------------------------------------------|
| bureau      | which participant calls when, and how much it sends; it is the bureau's own machine      |
| participant | nothing of the others; answers to its own calls                                          |
| outsider    | nothing: the handshake fails                                                             |

The SuperLink has one port for everything: also for starting runs, which is running code on its machine, and for
registering nodes. Here exist the ten calls of `fleet_calls.py` and no other path, method or spelling. A caller is the
participant whose pinned document has the certificate of the connection; the node key in Flower's own signature headers
must be of the same participant, so nobody speaks for another's node. What goes on to the SuperLink is put together
anew from what was checked; what comes back is reduced in the same way.

A caller that sends or reads slowly keeps nobody else waiting: each has `CALLS_AT_ONCE` turns of its own. A connection
to the SuperLink is taken when all of a request is here, and given back before its answer is sent on.

There is no signature of RFC 9421, since Flower signs for itself: a time, with the node key. That would not hold against
a replay; TLS with the certificate of the caller does.
"""

import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from starlette.types import ASGIApp, Receive, Scope, Send

from coordinator.flower.fleet_calls import CALLS, Call, check_announcement
from crypto.errors import MalformedMessage, UntrustedKey, YurongError
from crypto.identifiers import ParticipantId, Role
from models.hosting.errors import BodyRefused, CertificateMismatch, RequestRefused
from models.hosting.https.guard import PEER_CERTIFICATE
from models.hosting.https.problems import (
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    INTERNAL,
    LENGTH_REQUIRED,
    MALFORMED,
    NOT_FOUND,
    NOT_READY,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
    problem_of,
    send_problem,
)

KEEP_ALIVE_SECONDS: Final = 4.0
"""A connection to the SuperLink is idle for less than the five seconds after which uvicorn closes it."""
CALL_SECONDS: Final = 60.0
UPSTREAM_CONNECTIONS: Final = 64
CALLS_AT_ONCE: Final = 8
"""Of one participant. Its SuperNode has a heartbeat under way and two transfers; what it gave up may still be here."""
MEDIA_TYPE: Final = b"application/protobuf"

_NODE_KEY: Final = b"flwr-public-key"
_SIGNED: Final = (_NODE_KEY, b"flwr-signature", b"flwr-timestamp")
_VERSIONS: Final = (b"flwr-package-name", b"flwr-package-version", b"flwr-component-name")
_KEPT: Final = frozenset({*_SIGNED, *_VERSIONS, b"content-length"})
_ANSWERED: Final = frozenset({b"content-type", b"content-length", b"flwr-version-incompatibility-message"})

_log = logging.getLogger("yurong.edge")


class FleetDocument(Protocol):
    """What is read of a pinned `ParticipantDocument`: DER certificate and node key, each b"" if it has none."""

    @property
    def role(self) -> Role:
        """What the participant is."""
        ...

    @property
    def certificate(self) -> bytes:
        """Its TLS certificate."""
        ...

    @property
    def node_key(self) -> bytes:
        """The public key of its SuperNode."""
        ...


Documents = Callable[[], Mapping[ParticipantId, Sequence[FleetDocument]]]
"""All pinned documents in force, read anew at each call."""


def link_transport(certificate_pem: bytes) -> httpx.AsyncBaseTransport:
    """Connections to the SuperLink, which must show this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificate_pem.decode("ascii"))
    limits = httpx.Limits(
        max_connections=UPSTREAM_CONNECTIONS,
        max_keepalive_connections=UPSTREAM_CONNECTIONS,
        keepalive_expiry=KEEP_ALIVE_SECONDS,
    )
    return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits)


class Edge:
    """An ASGI app that passes the fleet calls of admitted participants on.

    `link`: where the SuperLink listens, host:port. `transport`: carries requests there. `call_seconds`: a call is
    broken off if the request, the SuperLink or the sending of the answer takes longer than this.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        link: str,
        transport: httpx.AsyncBaseTransport,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self._documents = documents
        self._link = link
        self._transport = transport
        self._call_seconds = call_seconds
        self._turns: dict[ParticipantId, asyncio.Semaphore] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._pass_on(scope, receive, _Answer(scope, send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._transport.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _pass_on(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            call = _call(scope)
            headers = _headers(scope)
            caller = self._caller(scope, headers)
            async with self._turns.setdefault(caller, asyncio.Semaphore(CALLS_AT_ONCE)):
                async with asyncio.timeout(self._call_seconds):
                    body = await _received(receive, int(headers[b"content-length"]), call)
                async with asyncio.timeout(self._call_seconds):
                    response = await self._exchange(call, headers, body)
                async with asyncio.timeout(self._call_seconds):
                    await answer.give(response)
        except YurongError as fault:
            await answer.refuse(problem_of(fault))
        except TimeoutError:
            await answer.refuse(Problem(kind=BODY_TOO_SLOW))
        except httpx.TransportError as fault:
            _log.warning("the SuperLink does not answer: %s", type(fault).__name__)
            await answer.refuse(Problem(kind=NOT_READY))
        except Exception:  # noqa: BLE001 - whatever it was: nothing of it may reach the caller
            _log.exception("a call failed")
            await answer.refuse(Problem(kind=INTERNAL))

    def _caller(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ParticipantId:
        """Who calls: the participant that has both the certificate and the node key that are shown.

        Another one may have named the certificate in its document as well; that must not shut out its owner.
        """
        shown = (scope.get("extensions") or {}).get(PEER_CERTIFICATE, {}).get("der")
        if not isinstance(shown, bytes) or not shown:
            raise CertificateMismatch("a connection shows no certificate")
        is_known = False
        for name, documents in self._documents().items():
            if any(one.certificate == shown and one.role is not Role.BUREAU for one in documents):
                is_known = True
                if headers[_NODE_KEY] in {_node_key_header(one.node_key) for one in documents if one.node_key}:
                    return name
        if is_known:
            raise UntrustedKey("a participant speaks for another node than its own")
        raise CertificateMismatch("a connection shows a certificate of no participant")

    async def _exchange(self, call: Call, headers: Mapping[bytes, bytes], body: Sequence[bytes]) -> "_Response":
        if call.is_read:
            check_announcement(b"".join(body))
        request = httpx.Request(
            "POST",
            f"https://{self._link}{call.path}",
            headers=[(b"host", self._link.encode("ascii")), *headers.items()],
            stream=_Parts(body),
        )
        response = await self._transport.handle_async_request(request)
        try:
            parts = [part async for part in response.stream] if isinstance(response.stream, AsyncIterable) else []
            return _Response(response.status_code, response.headers.raw, parts)
        finally:
            await response.aclose()


class _Parts(httpx.AsyncByteStream):
    """A request's body, in the parts in which it came."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


@dataclass(frozen=True, slots=True)
class _Response:
    """What the SuperLink answered, all of it."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    parts: Sequence[bytes]


async def _received(receive: Receive, length: int, call: Call) -> list[bytes]:
    """The body that the caller sends, which is of the length that it stated."""
    if length > call.maximum_bytes:
        raise BodyRefused(BODY_TOO_LARGE)
    parts, left, more = list[bytes](), length, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise MalformedMessage("a caller went away before its request was whole")
        part = message.get("body", b"")
        left -= len(part)
        if left < 0:
            break
        more = message.get("more_body", False)
        if part:
            parts.append(part)
    if left:
        raise MalformedMessage("a request's body is not of its stated length")
    return parts


class _Answer:
    """What goes back to the caller."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send, self._began = scope, send, False

    async def give(self, response: _Response) -> None:
        """Send what the SuperLink answered: of the headers, those that a SuperNode reads."""
        kept = [(name.lower(), value) for name, value in response.headers if name.lower() in _ANSWERED]
        self._began = True
        await self._send({"type": "http.response.start", "status": response.status, "headers": kept})
        for part in response.parts:  # waits while the caller does not take it
            await self._send({"type": "http.response.body", "body": part, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem and end the connection; one that has begun is cut off by the error."""
        if self._began:
            raise ConnectionError("an answer ended in the middle")
        await send_problem(self._scope, self._send, problem, close=True)


def _call(scope: Scope) -> Call:
    """The call that a request makes. The path is compared as it was sent: nothing in it is decoded or resolved."""
    call = CALLS.get(bytes(scope.get("raw_path") or b""))
    if call is None or scope["method"] != "POST" or scope["query_string"] or scope["path"] != call.path:
        raise RequestRefused(NOT_FOUND)
    return call


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """What goes on of the headers. None of them may be there twice: two readers could take two different ones."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in found:
            raise MalformedMessage("a request has a header twice")
        found[name] = value
    length = found.get(b"content-length", b"")
    if b"transfer-encoding" in found or not 0 < len(length) <= 9 or length.strip(b"0123456789"):
        raise BodyRefused(LENGTH_REQUIRED)
    if found.get(b"content-type") != MEDIA_TYPE or b"content-encoding" in found:
        raise RequestRefused(UNSUPPORTED_MEDIA_TYPE)
    if any(name not in found for name in _SIGNED):
        raise RequestRefused(MALFORMED)
    kept = {name: value for name, value in found.items() if name in _KEPT}
    return {**kept, b"content-type": MEDIA_TYPE, b"accept": MEDIA_TYPE}


def _node_key_header(node_key: bytes) -> bytes:
    """The one form in which Flower writes a key into its header."""
    pem = load_der_public_key(node_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(pem)


def edge_app(documents: Documents, *, link: str, certificate_pem: bytes) -> ASGIApp:
    """The edge before the SuperLink at `link` (host:port) that shows this certificate."""
    return Edge(documents, link=link, transport=link_transport(certificate_pem))
