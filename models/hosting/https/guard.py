"""The door of every HTTPS service: nothing behind it runs for a request whose sender is not known.

    1. the connection shows a certificate, and the headers a signature, each in its one form and time
    2. the signer is pinned, and the certificate is one of its own         no cryptography until here
    3. the body is of a stated length within the limit, and arrives in time
    4. its digest, the signature, the nonce                                SHA-256, Ed25519, a look-up
    5. the app, with the caller's `ParticipantId` in `scope["state"]["caller"]`

A signature proves who made the request, the certificate who sends it: a bank cannot hand in what another bank signed.
Every refusal is a problem (`models.hosting.https.problems`). So is every error that the app did not answer itself. Why
goes into the log (`refusals.py`), and nothing of it to the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId
from models.hosting.errors import BodyRefused, CertificateMismatch, RequestRefused
from models.hosting.https import refusals
from models.hosting.https.problems import (
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    LENGTH_REQUIRED,
    MALFORMED,
    NOT_READY,
    Problem,
    send_problem,
)
from models.hosting.https.signatures import RequestVerifier, SignedHeaders

PEER_CERTIFICATE: Final = "yurong.peer_certificate"
"""Under this a scope's extensions hold `{"der": the certificate that the caller showed in TLS}`."""
CALLER: Final = refusals.CALLER
"""Under this a scope's state holds who called."""
BODY_SECONDS: Final = 10.0


class _Disconnected(Exception):
    """The caller went away before its request was whole."""


class CertificateBook(Protocol):
    """Says which certificates are whose: `models.hosting.https.parties.Parties`."""

    def certificates(self, name: ParticipantId) -> frozenset[bytes]:
        """The DER certificates in force of a party."""
        ...


class Guard:
    """An ASGI app that lets through to `app` what is proven to be of a pinned party.

    maximum_body_bytes: the largest body. body_seconds: within this a body has arrived.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        verifier: RequestVerifier,
        parties: CertificateBook,
        maximum_body_bytes: int,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app, self._verifier, self._parties = app, verifier, parties
        self._maximum_body_bytes = maximum_body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface. `lifespan` goes through; other than HTTP is refused."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        caller: ParticipantId | None = None
        try:
            signed = self._read(scope)
            caller = signed.signer  # by its certificate
            body = await self._body(scope, receive)
            caller = self._verifier.check(signed, scope["method"], _authority(scope), _path(scope), body)
        except _Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - pins that cannot be read refuse everybody, and say no more
            # What is left of the body is not read, so nothing else can follow on this connection.
            await send_problem(scope, send, refusals.refusal(error, caller=caller), close=True)
            return
        scope.setdefault("state", {})[CALLER] = caller
        await self._answer(scope, _Replay(body, receive), send)

    def _read(self, scope: Scope) -> SignedHeaders:
        """What the headers claim, by the party whose certificate the connection shows."""
        certificate = (scope.get("extensions") or {}).get(PEER_CERTIFICATE, {}).get("der")
        if not isinstance(certificate, bytes) or not certificate:
            raise CertificateMismatch("a connection shows no certificate")
        if scope["query_string"]:
            # It is not among what is signed.
            raise RequestRefused(MALFORMED)
        signed = self._verifier.read(scope["headers"])
        if certificate not in self._parties.certificates(signed.signer):
            raise CertificateMismatch("a connection's certificate is not of the party that signed the request")
        return signed

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        length = _length(scope)
        if length > self._maximum_body_bytes:
            raise BodyRefused(BODY_TOO_LARGE)
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise _Disconnected
                    body += message.get("body", b"")
                    if len(body) > self._maximum_body_bytes:
                        raise BodyRefused(BODY_TOO_LARGE)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise BodyRefused(BODY_TOO_SLOW) from None
        if len(body) != length:
            raise MalformedMessage("a request's body is not of its stated length")
        return bytes(body)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = ended = False

        async def watched(message: Message) -> None:
            nonlocal started, ended
            started = True
            await send(message)
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            # The server ends and this took too long. The caller may ask again with the same bytes.
            if not started:
                await send_problem(scope, send, Problem(kind=NOT_READY), close=True)
            raise
        except Exception as error:  # noqa: BLE001 - whatever the app let out: no text of it may reach anybody
            problem = refusals.refusal(error, caller=scope["state"].get(CALLER))
            if not started:
                await send_problem(scope, send, problem)
            elif not ended:
                raise _Broken from None


class _Broken(Exception):
    """An answer ended in the middle."""


class _Replay:
    """Gives the app the body that was read and checked, then whatever comes."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def caller_of(scope: Scope) -> ParticipantId:
    """Who called, behind a `Guard`; raises `CertificateMismatch` where there is none before the app."""
    caller = scope.get("state", {}).get(CALLER)
    if not isinstance(caller, str):
        raise CertificateMismatch("an operation is reached without a guard before it")
    return ParticipantId(caller)


def _length(scope: Scope) -> int:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    values = [value for name, value in headers if name.lower() == b"content-length"]
    if not values and scope["method"] == "GET":
        values = [b"0"]
    if len(values) != 1 or any(name.lower() == b"transfer-encoding" for name, _ in headers):
        raise BodyRefused(LENGTH_REQUIRED)
    if not 0 < len(values[0]) <= 12 or values[0].strip(b"0123456789"):
        raise MalformedMessage("a request's length is not a number")
    return int(values[0])


def _authority(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name.lower() == b"host"]
    if len(values) != 1:
        raise MalformedMessage("a request names not one host")
    return bytes(values[0]).decode("latin-1")


def _path(scope: Scope) -> str:
    # As it was sent: what is signed has no escapes, so nothing can be spelt in two ways.
    return bytes(scope.get("raw_path") or b"").decode("latin-1")
