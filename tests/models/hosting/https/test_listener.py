"""Connections that come to no handshake, in numbers: a real server over TLS with few descriptors."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

PROGRAM = """
import resource, sys
from pathlib import Path
from models.hosting.https.connection import Limits
from models.hosting.https.server import serve
from models.hosting.https.tls import server_context

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})

certificate, key, anchor = map(Path, sys.argv[1:4])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
limits = Limits(handshakes=int(sys.argv[4]), handshake_seconds=60, shutdown_seconds=1)
serve(app, host=sys.argv[5], port=0, changed=lambda: 0, limits=limits,
      on_ready=lambda port: print(port, flush=True),
      context_factory=lambda: server_context(certificate, key, None, [anchor.read_bytes()]))
"""


@contextlib.contextmanager
def served(world: Any, directory: Path, *, handshakes: int, host: str = "127.0.0.1") -> Iterator[int]:
    """A server of the department with 64 descriptors; its port."""
    anchor = directory / "anchor"
    anchor.write_bytes(world.bureau.certificate)
    command = [sys.executable, "-c", PROGRAM, *map(str, world.tax.files), str(anchor), str(handshakes), host]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def client(world: Any) -> httpx.Client:
    return httpx.Client(verify=world.bureau.client_context(world.tax.certificate), trust_env=False, timeout=2)


@contextlib.contextmanager
def silent(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Connections of somebody who never says anything."""
    with contextlib.ExitStack() as opened:
        yield [opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(count)]


@pytest.mark.parametrize(("handshakes", "answered"), [(1 << 20, False), (16, True)])
def test_silent_connections_keep_everybody_out_unless_the_oldest_of_too_many_is_cut(
    world: Any, tmp_path: Path, handshakes: int, answered: bool
) -> None:
    with served(world, tmp_path, handshakes=handshakes) as port, silent(port, 120):
        time.sleep(0.3)
        with client(world) as honest:
            try:
                said = honest.post(f"https://127.0.0.1:{port}/", content=b"").text
            except httpx.TransportError:
                said = ""
    assert (said == "done") is answered


def test_a_connection_that_has_shaken_hands_outlasts_any_number_of_silent_ones(world: Any, tmp_path: Path) -> None:
    with served(world, tmp_path, handshakes=16) as port, client(world) as honest:
        assert honest.post(f"https://127.0.0.1:{port}/", content=b"").text == "done"
        with silent(port, 100) as others:
            assert honest.post(f"https://127.0.0.1:{port}/", content=b"").text == "done"
            others[0].settimeout(5)
            assert others[0].recv(1) == b"", "the oldest is cut, long before its time is over"
            others[-1].settimeout(0.2)
            with pytest.raises(TimeoutError):
                others[-1].recv(1)


def test_every_address_of_a_name_is_listened_on(world: Any, tmp_path: Path) -> None:
    with served(world, tmp_path, handshakes=4, host="localhost") as port, silent(port, 1):
        pass
