"""A peer whose pinned documents name two addresses, of which one leads nowhere."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from crypto.certificates import certificate_pem, make_certificate
from crypto.identifiers import ParticipantId
from models.hosting.errors import PeerUnreachable
from models.hosting.https.peer import MEDIA_TYPE, Peer
from models.hosting.https.streams import TlsTransport

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: 5\r\n\r\nhello" % MEDIA_TYPE.encode()


@dataclass(frozen=True)
class Document:
    address: str
    certificate: bytes = b"der"


class Unsigned:
    def sign(self, _method: str, _url: str, _body: bytes) -> dict[str, str]:
        return {}


class Scripted(httpx.AsyncBaseTransport):
    """Cannot connect to the hosts in `lost`, after a moment; `asked` are the hosts in order."""

    def __init__(self, *lost: str) -> None:
        self.lost, self.asked = set(lost), list[str]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.host)
        await asyncio.sleep(0.01)
        if request.url.host in self.lost:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, headers={"content-type": MEDIA_TYPE}, content=b"hello")


def peer(transport: httpx.AsyncBaseTransport, *addresses: str, own: object = None) -> Peer:
    return Peer(
        ParticipantId("tax"),
        documents=lambda: [Document(address) for address in addresses],
        signer=Unsigned(),
        new_transport=lambda _: transport,
        own=(lambda: own) if own is None else iter(range(1000)).__next__,
        monotonic=iter(range(1000)).__next__,
    )


async def post(one: Peer, seconds: float = 5.0) -> bytes:
    return await one.post("/v1/echo", b"question", maximum_bytes=100, timeout_seconds=seconds)


@pytest.mark.parametrize("at_once", [2, 3, 4])
def test_requests_that_fail_at_once_turn_to_the_other_address_and_stay_there(at_once: int) -> None:
    transport = Scripted("new")

    async def scenario() -> None:
        one = peer(transport, "https://new:1", "https://old:1")
        assert await asyncio.gather(*(post(one) for _ in range(at_once))) == [b"hello"] * at_once
        transport.asked.clear()
        assert await post(one) == b"hello"

    asyncio.run(scenario())
    assert transport.asked == ["old"]


def test_the_address_that_answered_last_is_remembered_when_own_keys_change() -> None:
    transport = Scripted("new")

    async def scenario() -> None:
        one = peer(transport, "https://new:1", "https://old:1", own=1)
        assert [await post(one) for _ in range(3)] == [b"hello"] * 3

    asyncio.run(scenario())
    assert transport.asked == ["new", "old", "old", "old"]


def test_an_address_that_swallows_connections_leaves_time_for_the_other(tmp_path: Path) -> None:
    made = make_certificate("127.0.0.1", now=dt.datetime.now(dt.UTC))
    (tmp_path / "pem").write_bytes(certificate_pem(made.certificate_der))
    (tmp_path / "key").write_bytes(made.private_key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "pem", tmp_path / "key")
    client = ssl.create_default_context(cafile=str(tmp_path / "pem"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            head = await reader.read(65536)
            if head:
                writer.write(ANSWER)
        writer.close()

    async def scenario(silent_port: int) -> None:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
        silent, good = (f"https://127.0.0.1:{port}" for port in (silent_port, listening.sockets[0].getsockname()[1]))
        one = peer(TlsTransport(client, connections=4), silent, good)
        assert await post(one, 2.0) == b"hello"
        began = time.monotonic()
        assert await post(one, 2.0) == b"hello"
        assert time.monotonic() - began < 0.9, "the address that worked is asked first"
        await one.close()
        alone = peer(TlsTransport(client, connections=4), silent)
        with pytest.raises(PeerUnreachable):
            await post(alone, 0.3)
        await alone.close()
        listening.close()

    with socket.create_server(("127.0.0.1", 0)) as swallowing:
        asyncio.run(scenario(swallowing.getsockname()[1]))
