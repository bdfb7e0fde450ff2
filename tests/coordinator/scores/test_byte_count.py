"""The bytes that are counted are those that go over the wire, and no others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from coordinator.scores.byte_count import CountedBytes
from crypto.identifiers import ParticipantId
from models.hosting.errors import RemoteProblem
from models.hosting.https import streams
from models.hosting.https.peer import Peer
from models.hosting.https.problems import FORBIDDEN, TOO_MANY_REQUESTS, Problem, send_problem
from models.hosting.https.server import BackgroundServer
from simulations.online_network import Unsigned

counted: list[tuple[int, int]] = []


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers twice the body, or with a problem."""
    if scope["type"] == "lifespan":
        return
    body = (await receive())["body"]
    if scope["path"] == "/refused":
        await send_problem(scope, send, Problem(kind=FORBIDDEN, detail="not for you"))
    elif scope["path"] == "/later":
        await send_problem(scope, send, Problem(kind=TOO_MANY_REQUESTS), close=True)
    else:
        headers = [(b"content-length", str(2 * len(body)).encode()), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with BackgroundServer(CountedBytes(app, lambda came, went: counted.append((came, went))), port=0) as server:
        yield server.port


@pytest.mark.parametrize(("path", "body"), [("/v1/scores", b"x" * 700), ("/refused", b""), ("/later", b"abc")])
def test_heads_and_bodies_are_counted_to_the_byte_in_both_directions(port: int, path: str, body: bytes) -> None:
    request = (
        f"POST {path} HTTP/1.1\r\nHost: bureau.example\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    came, went = counted.pop()
    assert came == len(request)
    # The server adds `connection: close` where the caller wanted that and the application said nothing.
    assert len(answer) - went in (0, len("connection: close\r\n"))


class Wire(httpx.AsyncBaseTransport):
    """A department that refuses; it keeps the size of what went over the wire."""

    address, certificate = "https://tax.example:8445", b"any"

    def __init__(self) -> None:
        self.came = self.went = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        problem = Problem(kind=FORBIDDEN)
        body = problem.to_json()
        headers = [*problem.headers(), ("content-length", str(len(body)))]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.came = len(streams._written(request))
        self.went = len(f"HTTP/1.1 403 Forbidden\r\n{lines}\r\n".encode() + body)
        return httpx.Response(403, headers=headers, content=body)


def test_what_goes_to_a_department_is_counted_to_the_byte_as_well() -> None:
    wire = Wire()

    async def scenario() -> None:
        peer = Peer(
            ParticipantId("tax"),
            documents=lambda: (wire,),
            signer=Unsigned(),
            new_transport=lambda _: wire,
            traffic=lambda went, came: counted.append((went, came)),
        )
        with pytest.raises(RemoteProblem):
            await peer.post("/v1/partial-scores", b"x" * 500, maximum_bytes=100, timeout_seconds=5)

    asyncio.run(scenario())
    assert counted.pop() == (wire.came, wire.went)
