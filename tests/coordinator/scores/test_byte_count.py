"""The bytes that are counted are those that go over the wire, and no others."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from coordinator.scores.byte_count import CountedBytes
from models.hosting.https.problems import FORBIDDEN, TOO_MANY_REQUESTS, Problem, send_problem
from models.hosting.https.server import BackgroundServer

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
