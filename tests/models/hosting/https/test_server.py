"""A real server over TLS on the loopback: bounds, changes of certificates under requests, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from models.hosting.clock import SystemClock
from models.hosting.errors import ListenRefused, TlsUnusable
from models.hosting.https.connection import Limits
from models.hosting.https.guard import CALLER, Guard
from models.hosting.https.problems import Problem
from models.hosting.https.server import BackgroundServer, serve

QUICK = Limits(header_bytes=4096, header_seconds=0.3, handshake_seconds=0.5, idle_seconds=1, shutdown_seconds=2)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Says who called. Under `/slow` it takes its time, under `/held` as long as the test wants."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    if scope["path"] == "/slow":
        await asyncio.sleep(0.4)
    if scope["path"] == "/held":
        await asyncio.sleep(3600)
    name = str(scope["state"].get(CALLER, "nobody")).encode()
    head = [(b"content-length", str(len(name)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": name})


class Service:
    """The department's service in a thread. `generation`: changed after every change of pins or keys."""

    def __init__(self, world: Any, limits: Limits = QUICK, *, body_seconds: float = 0.3) -> None:
        self.world, self.generation, self.port = world, 0, 0
        self._ready, self._stop = threading.Event(), threading.Event()
        guard = Guard(
            app,
            verifier=world.verifier(clock=time_of_day()),
            parties=world.parties,
            maximum_body_bytes=1000,
            body_seconds=body_seconds,
        )
        self.thread = threading.Thread(
            target=serve,
            kwargs={
                "app": guard,
                "host": "127.0.0.1",
                "port": 0,
                "context_factory": lambda: world.tax.server_context(*world.parties.anchors()),
                "changed": lambda: self.generation,
                "limits": limits,
                "on_ready": self._listens,
                "stop": self._stop,
            },
        )

    def _listens(self, port: int) -> None:
        self.port = port
        self.world.authorities = {f"127.0.0.1:{port}"}
        self._ready.set()

    def __enter__(self) -> Self:
        self.thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def client(self, node: Any) -> httpx.Client:
        context = node.client_context(self.world.tax.certificate)
        return httpx.Client(verify=context, trust_env=False, timeout=10)

    def ask(
        self, client: httpx.Client, node: Any, path: str = "/v1/scores", body: bytes = b"a request"
    ) -> httpx.Response:
        url = f"https://127.0.0.1:{self.port}{path}"
        return client.post(url, content=body, headers=node.signer(time_of_day()).sign("POST", url, body))

    def head(self, node: Any, body: bytes, path: str = "/v1/scores") -> dict[str, str]:
        authority = f"127.0.0.1:{self.port}"
        return {"host": authority, **node.signer(time_of_day()).sign("POST", f"https://{authority}{path}", body)}

    @contextlib.contextmanager
    def raw(self, node: Any) -> Iterator[ssl.SSLSocket]:
        """A connection that says what one likes."""
        with _raw(self, node.client_context(self.world.tax.certificate)) as connection:
            yield connection


def time_of_day() -> Any:
    return SystemClock()


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    data = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while part := connection.recv(65536):
            data += part
    return data


def problem_in(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    return Problem.from_json(body).slug


def eventually(condition: Callable[[], bool], seconds: float = 5) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.hosting.https.server.LOOK_TICKS", 1)


@pytest.fixture(scope="module")
def service(new_world: Any) -> Iterator[Service]:
    """One for all who leave it as it is."""
    with Service(new_world()) as running:
        yield running


def test_pinned_parties_are_answered_over_one_connection_each(service: Service) -> None:
    world = service.world
    for node in (world.bureau, world.bank):
        with service.client(node) as client:
            answers = [service.ask(client, node) for _ in range(3)]
            assert [one.text for one in answers] == [node.name] * 3
            assert "server" not in answers[0].headers


def test_a_stranger_does_not_come_to_a_request(service: Service) -> None:
    with service.client(service.world.stranger) as client, pytest.raises(httpx.TransportError):
        service.ask(client, service.world.stranger)


def test_a_request_that_another_signed_is_refused_over_a_real_connection(service: Service) -> None:
    world = service.world
    with service.client(world.bank) as client:
        refused = service.ask(client, world.bureau)
        assert (refused.status_code, Problem.from_json(refused.content).slug) == (403, "certificate-mismatch")
        assert service.ask(client, world.bank).text == "bank"


@pytest.mark.parametrize(
    ("head", "slug"),
    [
        (b"GARBAGE\r\n\r\n", "malformed"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "malformed"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", "malformed"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n", "malformed"),
        (b"POST / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 2000, "headers-too-large"),
        (b"POST / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 6000, "headers-too-large"),
        (b"POST /" + b"b" * 6000, "headers-too-large"),
        (b"POST / HTTP/1.1\r\nhost: x\r\n", "body-too-slow"),
        (b"P", "body-too-slow"),
        (b"", "body-too-slow"),
        (b"\r\n", "body-too-slow"),
    ],
)
def test_what_is_no_request_is_told_so_and_cut_off(service: Service, head: bytes, slug: str) -> None:
    with service.raw(service.world.bureau) as connection:
        began = time.monotonic()
        connection.sendall(head)
        assert problem_in(everything(connection)) == slug
        assert time.monotonic() - began < 2


def test_a_request_that_never_ends_would_hold_a_server_without_bounds(new_world: Any) -> None:
    lax = Limits(header_bytes=1 << 30, header_seconds=3600, idle_seconds=3600, shutdown_seconds=1)
    with Service(new_world(), lax, body_seconds=3600) as service:
        world = service.world
        begun = _message(service.head(world.bureau, b"ab"), b"ab", 3)
        for part in (b"POST / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 6000, begun):
            with service.raw(world.bureau) as connection:
                connection.sendall(part)
                connection.settimeout(0.5)  # longer than the bounds of the other tests
                with pytest.raises(TimeoutError):
                    connection.recv(1)


def test_a_header_that_drips_is_cut_off(service: Service) -> None:
    with service.raw(service.world.bureau) as connection:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for byte in b"POST / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - began < 2


def test_line_breaks_before_a_request_do_not_keep_a_connection(service: Service) -> None:
    world = service.world
    with service.raw(world.bureau) as connection:
        connection.sendall(_message(service.head(world.bureau, b"ab"), b"ab", 2))
        answer = b""
        while not answer.endswith(b"bureau"):
            answer += connection.recv(65536)
        connection.sendall(b"\r\n")
        assert problem_in(everything(connection)) == "body-too-slow"


def _message(headers: dict[str, str], body: bytes, length: int) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /v1/scores HTTP/1.1\r\n{lines}content-length: {length}\r\n\r\n".encode() + body


def test_a_length_that_is_too_long_waits_for_nothing(service: Service) -> None:
    world = service.world
    with service.raw(world.bureau) as connection:
        connection.sendall(_message(service.head(world.bureau, b"ab"), b"ab", 3))
        assert problem_in(everything(connection)) == "body-too-slow"


def test_a_length_that_is_too_short_smuggles_nothing(service: Service) -> None:
    world = service.world
    inner = _message(service.head(world.bureau, b"ab"), b"ab", 2)
    with service.raw(world.bureau) as connection:
        connection.sendall(_message(service.head(world.bureau, b"cd" + inner), b"cd" + inner, 2))
        answer = everything(connection)
        assert problem_in(answer) == "signature-invalid"
        assert answer.count(b"HTTP/1.1") == 1


def test_a_large_body_is_refused_before_it_is_sent(service: Service) -> None:
    world = service.world
    with service.raw(world.bureau) as connection:
        connection.sendall(_message(service.head(world.bureau, b""), b"", 10**9))
        assert problem_in(everything(connection)) == "body-too-large"


def test_an_idle_connection_is_closed(service: Service) -> None:
    world = service.world
    with service.raw(world.bureau) as connection:
        connection.sendall(_message(service.head(world.bureau, b"ab"), b"ab", 2))
        began = time.monotonic()
        assert everything(connection).endswith(b"bureau")
        assert 0.5 < time.monotonic() - began < 3


def test_a_connection_that_does_not_shake_hands_is_cut_off(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        began = time.monotonic()
        everything(connection)
        assert time.monotonic() - began < 3


def test_one_party_has_so_many_connections_and_leaves_room_for_others(new_world: Any) -> None:
    limits = Limits(connections=4, connections_of_a_party=2, shutdown_seconds=1)
    with Service(new_world(), limits) as service, contextlib.ExitStack() as open_ones:
        world = service.world
        for node, good in ((world.bureau, 2), (world.bank, 2)):
            clients = [open_ones.enter_context(service.client(node)) for _ in range(3)]
            assert [service.ask(client, node).text for client in clients[:good]] == [node.name] * good
            with contextlib.suppress(httpx.TransportError):  # the answer may be lost when the connection is cut
                refused = service.ask(clients[good], node)
                assert Problem.from_json(refused.content).slug == "too-many-requests"
            assert service.ask(clients[0], node).text == node.name


def test_certificates_change_under_requests_without_an_error(new_world: Any) -> None:
    world = new_world()
    old, failures, count = world.tax.certificate, [], [0]
    with Service(world) as service:
        stop = threading.Event()
        both = world.bureau.client_context(old)

        def keep_asking() -> None:
            with httpx.Client(verify=both, trust_env=False) as client:
                while not stop.is_set():
                    answer = service.ask(client, world.bureau)
                    count[0] += 1
                    if answer.text != "bureau":
                        failures.append(answer)

        threads = [threading.Thread(target=keep_asking) for _ in range(2)]
        for thread in threads:
            thread.start()
        world.tax.renew()
        service.generation += 1

        def shows_the_new_one() -> bool:
            both.load_verify_locations(cadata=world.tax.certificate)
            with _raw(service, both) as connection:
                return bool(connection.getpeercert(binary_form=True) == world.tax.certificate)

        eventually(shows_the_new_one)
        before = count[0]
        eventually(lambda: count[0] > before + 20)
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


@contextlib.contextmanager
def _raw(service: Service, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        yield connection


def test_who_is_unpinned_is_refused_on_old_connections_at_once_and_on_new_ones_soon(new_world: Any) -> None:
    world = new_world()
    with Service(world) as service, service.client(world.bank) as client:
        assert service.ask(client, world.bank).text == "bank"
        del world.pinned[world.bank.name]
        refused = service.ask(client, world.bank)
        assert Problem.from_json(refused.content).slug == "untrusted-key"
        service.generation += 1

        def shut_out() -> bool:
            with service.client(world.bank) as fresh:
                try:
                    service.ask(fresh, world.bank)
                except httpx.TransportError:
                    return True
            return False

        eventually(shut_out)
        with service.client(world.bureau) as other:
            assert service.ask(other, world.bureau).text == "bureau"


def test_files_in_disorder_leave_the_old_certificate_in_use(new_world: Any, caplog: pytest.LogCaptureFixture) -> None:
    world = new_world()
    with Service(world) as service:
        whole = world.tax.files[0].read_bytes()
        world.tax.files[0].write_bytes(whole[: len(whole) // 2])
        service.generation += 1
        eventually(lambda: "certificates unusable" in caplog.messages)
        with service.client(world.bureau) as client:
            assert service.ask(client, world.bureau).text == "bureau"
        world.tax.files[0].write_bytes(whole)
        with caplog.at_level("INFO", logger="yurong.server"):
            eventually(lambda: "certificates changed" in caplog.messages)


PROGRAM = """
import sys
from pathlib import Path
from models.hosting.https.connection import Limits
from models.hosting.https.server import serve
from models.hosting.https.tls import server_context
import asyncio

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await receive()
    await asyncio.sleep(float(scope["path"].strip("/")))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})

certificate, key, anchor = map(Path, sys.argv[1:4])
serve(app, host="127.0.0.1", port=0, changed=lambda: 0, limits=Limits(shutdown_seconds=1),
      on_ready=lambda port: print(port, flush=True),
      context_factory=lambda: server_context(certificate, key, None, [anchor.read_bytes()]))
"""


@contextlib.contextmanager
def program(world: Any, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    anchor = tmp_path / "anchor"
    anchor.write_bytes(world.bureau.certificate)
    command = [sys.executable, "-c", PROGRAM, *map(str, world.tax.files), str(anchor)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def test_a_signal_ends_it_well_after_what_is_under_way(world: Any, tmp_path: Path) -> None:
    with program(world, tmp_path) as (process, port):
        context, answers = world.bureau.client_context(world.tax.certificate), {}

        def ask(seconds: str) -> None:
            with (
                httpx.Client(verify=context, trust_env=False, timeout=10) as client,
                contextlib.suppress(httpx.HTTPError),
            ):
                answers[seconds] = client.post(f"https://127.0.0.1:{port}/{seconds}", content=b"").text

        threads = [threading.Thread(target=ask, args=(seconds,)) for seconds in ("0.6", "3600")]
        for thread in threads:
            thread.start()
        with httpx.Client(verify=context, trust_env=False) as idle:
            assert idle.post(f"https://127.0.0.1:{port}/0", content=b"").text == "done"
            time.sleep(0.2)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            with pytest.raises(httpx.TransportError):
                idle.post(f"https://127.0.0.1:{port}/0", content=b"")
            assert process.wait(10) == 0
        for thread in threads:
            thread.join()
        assert answers["0.6"] == "done"
        assert answers.get("3600") != "done"
        assert 0.3 < time.monotonic() - began < 5


def test_an_address_that_is_taken_is_said_to_be(world: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenRefused), BackgroundServer(app, port=port):
            pass
        with pytest.raises(TlsUnusable):
            serve(
                app,
                host="127.0.0.1",
                port=port,
                context_factory=lambda: world.tax.server_context(b"no certificate"),
                changed=lambda: 0,
            )


def test_the_background_server_answers_and_ends() -> None:
    with BackgroundServer(app, port=0) as server:
        assert re.fullmatch(r"\d+", str(server.port))
        assert server.port > 0
        assert httpx.get(f"http://127.0.0.1:{server.port}/", trust_env=False).text == "nobody"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/", trust_env=False)
