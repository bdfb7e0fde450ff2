"""The SuperLink as a supervised service: who may register, start and stop, and what a removed key is worth."""

import asyncio
import stat
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.superlink import extensions
from flwr.superlink import main as flower_main
from starlette.types import Message, Scope

from coordinator.errors import FlowerUnknown, LinkFailed, NodesRefused
from coordinator.flower import link_program
from coordinator.flower.bundle import app_bundle
from coordinator.flower.control import FINISHED, Control
from coordinator.flower.link_guard import CONTROL_KEY_HEADER, LinkGuard
from coordinator.flower.superlink import LOOPBACK, SuperLink
from crypto.identifiers import ParticipantId
from models.hosting.operation.supervisor import Supervisor
from simulations.engines.ports import free_ports

TAX, COURTS = ParticipantId("tax"), ParticipantId("courts")


def node_key() -> bytes:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    directory = tmp_path_factory.mktemp("bureau")
    link = SuperLink.prepare(directory / "superlink", port=free_ports(1)[0])
    with Supervisor(logs=directory / "logs") as supervisor:
        supervisor.start(link.services()[0])
        ends_at = time.monotonic() + 60
        while not link.answers() and time.monotonic() < ends_at:
            time.sleep(0.1)
        yield link


@pytest.fixture
def control(link: SuperLink) -> Iterator[Control]:
    with link.control() as control:
        yield control


def test_the_nodes_are_made_to_be_those_of_the_pinned_documents(control: Control) -> None:
    first, next_, courts = node_key(), node_key(), node_key()
    assert control.synchronise({TAX: [first, next_], COURTS: [courts, b""]})
    assert {(node.name, node.key) for node in control.nodes()} == {(TAX, first), (TAX, next_), (COURTS, courts)}
    assert not control.synchronise({TAX: [first, next_], COURTS: [courts]})
    assert control.synchronise({TAX: [next_]})
    assert {(node.name, node.key) for node in control.nodes()} == {(TAX, next_)}
    # Flower never takes a removed key again; what else was asked for is done.
    other = node_key()
    with pytest.raises(LinkFailed, match="does not register courts") as refused:
        control.synchronise({TAX: [next_, other], COURTS: [courts]})
    assert isinstance(refused.value, NodesRefused)
    assert "rotate" in refused.value.advice
    assert {(node.name, node.key) for node in control.nodes()} == {(TAX, next_), (TAX, other)}


def test_a_run_is_started_listed_and_stopped(control: Control) -> None:
    run = control.start("a-run")
    assert control.status(run).status == "pending"
    control.stop(run)
    assert control.status(run).outcome == "stopped"
    control.stop(run)
    assert control.status(run).status == FINISHED


def test_a_run_of_which_the_superlink_knows_nothing_has_come_to_an_end(control: Control, link: SuperLink) -> None:
    assert control.status(1234567).status == FINISHED
    control.stop(1234567)
    with Control(link.address, link.certificate, b"0" * 64) as stranger, pytest.raises(LinkFailed):
        stranger.status(1234567)  # not found either, says the guard, and knows nothing of runs


def test_without_the_key_nothing_is_done(link: SuperLink) -> None:
    for key in (b"", b"0" * 64):
        with Control(link.address, link.certificate, key) as stranger:
            assert not stranger.answers()
            with pytest.raises(LinkFailed, match="HTTPStatusError"):
                stranger.register(TAX, node_key())


def test_secrets_are_for_their_owner_alone_and_survive_a_new_start(link: SuperLink) -> None:
    names = ("control.key", "executor.secret", "link.key")
    before = {name: (link.directory / name).read_bytes() for name in names}
    assert all(stat.S_IMODE((link.directory / name).stat().st_mode) == 0o600 for name in names)
    assert SuperLink.prepare(link.directory / "again", port=1).address == f"{LOOPBACK}:1"
    other = {name: (link.directory / "again" / name).read_bytes() for name in names}
    assert all(before[name] != other[name] for name in names)


def test_a_link_that_does_not_answer_is_one_clear_error(link: SuperLink) -> None:
    with Control(f"{LOOPBACK}:{free_ports(1)[0]}", link.certificate) as control:
        assert not control.answers()
        with pytest.raises(LinkFailed, match="ConnectError"):
            control.status(1)


async def _reached(_scope: Scope, _receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


@pytest.mark.parametrize(
    ("path", "shown", "status"),
    [
        ("/v1/control/list-runs", [b"key"], 200),
        ("/v1/control/list-runs", [], 404),
        ("/v1/control/list-runs", [b"keY"], 404),
        ("/v1/control/list-runs", [b"key", b"key"], 404),
        ("/v1/fleet/pull-messages", [], 200),
        ("/v1/runtime/acquire-task", [], 200),
        ("/health", [], 200),
        ("/docs", [b"key"], 404),
        ("/openapi.json", [b"key"], 404),
        ("/v1/fleet", [b"key"], 404),
        ("/v2/control/list-runs", [b"key"], 404),
    ],
)
def test_the_guard_knows_who_asks_for_what(path: str, shown: list[bytes], status: int) -> None:
    guard = LinkGuard(_reached, control_key=b"key")
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    headers = [(CONTROL_KEY_HEADER.encode(), key) for key in shown]
    asyncio.run(guard({"type": "http", "path": path, "headers": headers}, receive, send))
    assert sent[0]["status"] == status


def test_the_guard_is_the_outermost_layer_of_the_known_flower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "get_middleware", extensions.get_middleware)
    link_program.put_guard(b"key")
    assert flower_main._get_middleware()[0].cls is LinkGuard  # type: ignore[comparison-overlap]


def test_a_flower_that_cannot_be_guarded_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    before = extensions.get_middleware
    monkeypatch.setattr(link_program, "_asks_for_extensions_first", lambda: False)
    with pytest.raises(FlowerUnknown):
        link_program.put_guard(b"key")
    assert extensions.get_middleware is before


def test_the_bundle_is_the_same_every_time() -> None:
    assert app_bundle() == app_bundle()
