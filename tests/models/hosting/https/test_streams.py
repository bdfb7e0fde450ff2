"""HTTP over TLS to a peer that answers in all ways."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop

from crypto.certificates import certificate_pem, make_certificate
from models.hosting.https.streams import MAXIMUM_HEAD_BYTES, TlsTransport

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Reads a request and does what it was told; `connections` counts those that were made."""

    def __init__(self, answer: bytes | Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.ended = asyncio.Event()
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                if isinstance(self.answer, bytes):
                    writer.write(self.answer)
                    await writer.drain()
                else:
                    await self.answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.ended.set()
            writer.transport.abort()


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's."""
    made = make_certificate("127.0.0.1", now=dt.datetime.now(dt.UTC))
    directory: Path = tmp_path_factory.mktemp("streams")
    (directory / "pem").write_bytes(certificate_pem(made.certificate_der))
    (directory / "key").write_bytes(made.private_key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "pem", directory / "key")
    return server, ssl.create_default_context(cafile=str(directory / "pem"))


async def until(look: Callable[[], bool]) -> None:
    for _ in range(5000):
        if look():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not come to that")


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
Use = Callable[[Server, TlsTransport, Callable[[], Coroutine[Any, Any, bytes]]], Coroutine[Any, Any, None]]


def run(contexts: Contexts, answer: bytes | Answer, use: Use, *, connections: int = 4) -> None:
    """Call `use` with a server that answers so, a transport, and a function that asks and reads the body."""

    async def main() -> None:
        server = Server(answer)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=contexts[0])
        url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/scores"
        transport = TlsTransport(contexts[1], connections=connections)

        async def ask() -> bytes:
            async with asyncio.timeout(5):
                response = await transport.handle_async_request(httpx.Request("POST", url, content=b"question"))
                try:
                    assert isinstance(response.stream, httpx.AsyncByteStream)
                    return b"".join([chunk async for chunk in response.stream])
                finally:
                    await response.aclose()

        try:
            await use(server, transport, ask)
        finally:
            await transport.aclose()
            listening.close()

    uvloop.run(main())


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"hello"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n", b"helloyou"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + bytes(1_000_000), bytes(1_000_000)),
    ],
)
def test_one_connection_carries_one_request_after_the_other(contexts: Contexts, answer: bytes, body: bytes) -> None:
    async def use(server: Server, transport: TlsTransport, ask: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        assert not transport.is_connected()
        assert [await ask() for _ in range(5)] == [body] * 5
        assert server.connections == 1
        assert transport.is_connected()

    run(contexts, answer, use)


def test_requests_at_once_take_no_more_connections_than_they_may(contexts: Contexts) -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(OK)

    async def use(server: Server, _transport: TlsTransport, ask: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        assert await asyncio.gather(*(ask() for _ in range(20))) == [b"hello"] * 20
        assert server.connections == 3

    run(contexts, slowly, use, connections=3)


def test_a_connection_that_the_other_side_closes_is_not_used_again(contexts: Contexts) -> None:
    async def last(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        writer.close()

    async def use(server: Server, transport: TlsTransport, ask: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        for number in range(3):
            assert await ask() == b"hello"
            await until(lambda: not transport.is_connected())
            assert server.connections == number + 1
        server.answer = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
        await ask()
        assert not transport.is_connected()

    run(contexts, last, use)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * MAXIMUM_HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 2 * MAXIMUM_HEAD_BYTES,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnone\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: " + b"b" * 2 * MAXIMUM_HEAD_BYTES,
    ],
)
def test_what_is_no_answer_is_an_error_and_the_end_of_the_connection(contexts: Contexts, answer: bytes) -> None:
    async def use(_server: Server, transport: TlsTransport, ask: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        for _ in range(2):
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                await ask()
        await until(lambda: not transport.is_connected())

    run(contexts, answer, use)


def test_what_comes_after_an_answer_is_not_taken_for_the_next_one(contexts: Contexts) -> None:
    async def use(server: Server, _transport: TlsTransport, ask: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        assert [await ask() for _ in range(3)] == [b"hello"] * 3
        assert server.connections == 3

    run(contexts, OK + OK.replace(b"hello", b"enemy"), use)


@pytest.mark.parametrize("part", [b"", OK[:20], OK[:-2], b"HTTP/1.1 200 OK\r\n\r\nno length"])
def test_an_answer_that_is_cut_is_an_error(contexts: Contexts, part: bytes) -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(part)
        await writer.drain()
        writer.transport.abort()

    async def use(_server: Server, transport: TlsTransport, ask: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await ask()
        assert not transport.is_connected()

    run(contexts, cut, use)


def test_who_gives_up_closes_the_connection(contexts: Contexts) -> None:
    async def never(_writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def use(server: Server, transport: TlsTransport, ask: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        asking = [asyncio.create_task(ask()) for _ in range(4)]
        await until(lambda: len(server.heads) == 4)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await until(lambda: not transport.is_connected())
        server.answer = OK
        assert await ask() == b"hello"

    run(contexts, never, use)


def test_who_cannot_be_reached_or_is_not_trusted_is_an_error(contexts: Contexts) -> None:
    async def use(_server: Server, transport: TlsTransport, ask: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(httpx.Request("POST", "https://127.0.0.1:1/", content=b""))
        with pytest.raises(httpx.ConnectError):
            await ask()

    run((contexts[0], ssl.create_default_context()), OK, use)


def test_a_header_cannot_begin_another_line(contexts: Contexts) -> None:
    async def use(server: Server, transport: TlsTransport, _ask: Callable[[], Coroutine[Any, Any, bytes]]) -> None:
        request = httpx.Request("POST", "https://127.0.0.1:1/", headers={"a": "b\r\nc: d"}, content=b"")
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request)
        assert server.connections == 0

    run(contexts, OK, use)
