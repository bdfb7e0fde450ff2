"""The doors of two nodes, over real TLS on loopback."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from crypto.identifiers import ParticipantId, Role
from models.hosting.errors import PeerUnreachable, RemoteProblem
from models.hosting.https import door
from models.hosting.https.door import Entrance, WayOut
from models.hosting.https.guard import caller_of
from models.hosting.https.peer import MEDIA_TYPE
from models.hosting.https.server import serve
from models.hosting.trust.home import GRACE_SECONDS, NodeHome
from simulations.engines.ports import free_ports

TAX, BUREAU = ParticipantId("tax"), ParticipantId("bureau")


class LaterClock:
    """The machine's, and some time later."""

    later = 0.0

    def now(self) -> float:
        return time.time() + self.later


def home(directory: Path, name: ParticipantId, role: Role, port: int | None) -> NodeHome:
    address = "" if port is None else f"https://127.0.0.1:{port}"
    return NodeHome.create(directory / name, participant_id=name, role=role, title=name, address=address)


def pin(one: NodeHome, other: NodeHome) -> None:
    one.pins.pin(other.hand_over(), fingerprint=other.identity().public.fingerprint())


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await Response(body + b" from " + caller_of(scope).encode(), media_type=MEDIA_TYPE)(scope, receive, send)


@contextmanager
def served(tax: NodeHome, port: int) -> Iterator[None]:
    entrance = Entrance(tax, roles={Role.BUREAU})
    stop, up = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=serve,
        args=(entrance.guard(echo, maximum_body_bytes=1000),),
        kwargs={
            "host": "127.0.0.1",
            "port": port,
            "context_factory": entrance.context,
            "changed": entrance.state,
            "stop": stop,
            "on_ready": lambda _: up.set(),
        },
    )
    thread.start()
    try:
        assert up.wait(10)
        yield
    finally:
        stop.set()
        thread.join()


def ask(bureau: NodeHome, *bodies: bytes) -> list[bytes]:
    async def ask_all() -> list[bytes]:
        peer = WayOut(bureau).peer(TAX)
        try:
            return [await peer.post("/v1/echo", body, maximum_bytes=100, timeout_seconds=5) for body in bodies]
        finally:
            await peer.close()

    return asyncio.run(ask_all())


@pytest.fixture
def nodes(tmp_path: Path) -> tuple[NodeHome, NodeHome, int]:
    ports = free_ports(2)
    tax, bureau = home(tmp_path, TAX, Role.DEPARTMENT, ports[0]), home(tmp_path, BUREAU, Role.BUREAU, ports[1])
    pin(bureau, tax)
    return tax, bureau, ports[0]


def test_who_pinned_one_another_talk_and_who_is_not_pinned_is_not_let_in(nodes: tuple[NodeHome, NodeHome, int]) -> None:
    tax, bureau, port = nodes
    with served(tax, port):
        with pytest.raises(PeerUnreachable):
            ask(bureau, b"hello")
        pin(tax, bureau)
        threading.Event().wait(1.5)  # the server looks at its pins each second
        assert ask(bureau, b"hello", b"again") == [b"hello from bureau", b"again from bureau"]
        tax.pins.unpin(BUREAU)
        with pytest.raises((RemoteProblem, PeerUnreachable)):
            ask(bureau, b"hello")


def test_both_sides_rotate_their_keys_while_requests_go_on(nodes: tuple[NodeHome, NodeHome, int]) -> None:
    tax, bureau, port = nodes
    pin(tax, bureau)
    with served(tax, port):
        for node, other, parts in ((tax, bureau, ["tls"]), (bureau, tax, ["tls", "identity"])):
            handed = node.prepare_rotation(parts)
            assert ask(bureau, b"1") == [b"1 from bureau"]
            other.pins.pin(handed)
            assert ask(bureau, b"2") == [b"2 from bureau"]
            threading.Event().wait(1.5)
            node.finish_rotation()
            assert ask(bureau, b"3") == [b"3 from bureau"]
            threading.Event().wait(1.5)
            assert ask(bureau, b"4") == [b"4 from bureau"]


def test_a_server_removes_keys_that_are_no_longer_used_and_not_in_its_loop(
    nodes: tuple[NodeHome, NodeHome, int],
) -> None:
    tax, bureau, port = nodes
    pin(tax, bureau)
    clock = LaterClock()
    opened = NodeHome.open(tax.directory, clock=clock)
    opened.prepare_rotation(["tls"])
    bureau.pins.pin(opened.next_document() or b"")
    opened.finish_rotation()
    loops: list[object] = []
    tidy = NodeHome.tidy

    def watched(node: NodeHome) -> None:
        loops.append(asyncio._get_running_loop())
        tidy(node)

    with pytest.MonkeyPatch.context() as patch, served(opened, port):
        patch.setattr(NodeHome, "tidy", watched)
        assert ask(bureau, b"1") == [b"1 from bureau"]
        clock.later = GRACE_SECONDS + 1
        ends_at = time.monotonic() + 10
        while (tax.directory / "keys" / "1").exists():
            assert time.monotonic() < ends_at
            time.sleep(0.05)
    assert loops
    assert set(loops) == {None}


def test_a_node_that_got_its_address_by_a_rotation_is_asked_under_it(tmp_path: Path) -> None:
    ports = free_ports(2)
    tax, bureau = home(tmp_path, TAX, Role.DEPARTMENT, None), home(tmp_path, BUREAU, Role.BUREAU, ports[1])
    pin(bureau, tax)
    pin(tax, bureau)
    bureau.pins.pin(tax.prepare_rotation([], address=f"https://127.0.0.1:{ports[0]}"))
    tax.finish_rotation()
    with served(tax, ports[0]):
        assert ask(bureau, b"1") == [b"1 from bureau"]


def test_what_was_signed_for_the_gateway_is_no_request_to_a_department(
    nodes: tuple[NodeHome, NodeHome, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    tax, bureau, port = nodes
    pin(tax, bureau)
    with served(tax, port):
        assert ask(bureau, b"1") == [b"1 from bureau"]
        monkeypatch.setattr(door, "PARTIAL_SCORES", door.SCORES)
        with pytest.raises(RemoteProblem) as refused:
            ask(bureau, b"1")
    assert refused.value.problem.slug == "signature-invalid"
