"""The SuperNode's connection: the pinned bureau alone, the own certificate, rotations followed, or no start at all."""

import inspect
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flwr.supernode.fleet_http_connection as flower_connection
import flwr.supernode.start_client_internal as supernode_loop
import httpx
import pytest
from flwr.proto.fleet_pb2 import ActivateNodeRequest, ActivateNodeResponse, DeactivateNodeRequest
from starlette.types import Receive, Scope, Send

from crypto.errors import ProtectionUnavailable, UntrustedKey
from crypto.identifiers import ParticipantId, Role
from models.hosting.https.door import Entrance
from models.hosting.https.server import serve
from models.hosting.trust.home import NodeHome
from participants.flower import fleet_connection
from participants.flower.fleet_connection import FleetTls, PinnedFleetClient, use_pinned_connection

BUREAU, TAX = ParticipantId("bureau"), ParticipantId("tax")
# What is replaced in them is not public, and so has no type.
CONNECTION: Any = flower_connection
LOOP: Any = supernode_loop
REQUEST = ActivateNodeRequest(public_key=b"k", heartbeat_interval=6)


@pytest.fixture(autouse=True)
def _flower_is_as_it_was_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CONNECTION, "FleetHttpClient", CONNECTION.FleetHttpClient)
    monkeypatch.setattr(LOOP, "get_fused_config_from_fab", LOOP.get_fused_config_from_fab)


def home(directory: Path, name: ParticipantId, role: Role) -> NodeHome:
    made = NodeHome.create(directory / name, participant_id=name, role=role, title=name, address="https://127.0.0.1:1")
    return NodeHome.open(made.directory)


def pin(one: NodeHome, other: NodeHome) -> None:
    one.pins.pin(other.document(), fingerprint=other.identity().public.fingerprint())


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    """A bureau that takes every node, and sends some elsewhere."""
    if scope["type"] == "lifespan":
        return
    moved = scope["path"] != "/v1/fleet/activate-node"
    headers = [(b"content-type", b"application/protobuf"), (b"location", b"http://127.0.0.1:1/inner")]
    await receive()
    await send({"type": "http.response.start", "status": 307 if moved else 200, "headers": headers})
    await send({"type": "http.response.body", "body": ActivateNodeResponse(node_id=7).SerializeToString()})


class Bureau:
    """A listening bureau with a home of its own."""

    def __init__(self, directory: Path) -> None:
        self.home = home(directory, BUREAU, Role.BUREAU)
        self.stop, self.ready, self.port = threading.Event(), threading.Event(), 0

    def run(self) -> None:
        def listens(port: int) -> None:
            self.port = port
            self.ready.set()

        door = Entrance(self.home, roles=frozenset(Role))
        serve(
            answers,
            host="127.0.0.1",
            port=0,
            context_factory=door.context,
            changed=door.state,
            on_ready=listens,
            stop=self.stop,
        )


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    one = Bureau(tmp_path)
    thread = threading.Thread(target=one.run)
    thread.start()
    assert one.ready.wait(20)
    yield one
    one.stop.set()
    thread.join()


def client_of(tls: FleetTls, port: int) -> PinnedFleetClient:
    pinned: type[PinnedFleetClient] = type("Pinned", (PinnedFleetClient,), {"tls": tls})
    return pinned.from_server_address(f"127.0.0.1:{port}", False, None, [])


def test_the_pinned_bureau_is_called_with_the_own_certificate(bureau: Bureau, tmp_path: Path) -> None:
    tax = home(tmp_path, TAX, Role.DEPARTMENT)
    pin(tax, bureau.home)
    tls = FleetTls.of_home(tax, BUREAU)
    with client_of(tls, bureau.port) as client, pytest.raises(httpx.TransportError):
        client.ActivateNode(REQUEST)  # the bureau has not pinned it yet
    pin(bureau.home, tax)
    with client_of(tls, bureau.port) as client:
        assert activated_soon(client)
        # No redirect is followed: it could lead to a service within the participant's own network.
        with pytest.raises(httpx.HTTPStatusError, match="307"):
            client.DeactivateNode(DeactivateNodeRequest(node_id=7))


def activated_soon(client: PinnedFleetClient) -> bool:
    """The server looks once a second whether its pins have changed."""
    for _ in range(40):
        try:
            return bool(client.ActivateNode(REQUEST).node_id == 7)
        except httpx.TransportError:
            threading.Event().wait(0.1)
    return False


def test_another_bureau_is_not_talked_to(bureau: Bureau, tmp_path: Path) -> None:
    tax, other = home(tmp_path, TAX, Role.DEPARTMENT), home(tmp_path / "other", BUREAU, Role.BUREAU)
    pin(tax, other)
    pin(bureau.home, tax)
    with (
        client_of(FleetTls.of_home(tax, BUREAU), bureau.port) as client,
        pytest.raises(httpx.ConnectError, match=r"(?i)certificate"),
    ):
        client.ActivateNode(REQUEST)


def test_a_rotated_certificate_is_followed_without_a_new_start(bureau: Bureau, tmp_path: Path) -> None:
    tax = home(tmp_path, TAX, Role.DEPARTMENT)
    pin(tax, bureau.home)
    pin(bureau.home, tax)
    with client_of(FleetTls.of_home(tax, BUREAU), bureau.port) as client:
        assert activated_soon(client)
        before = client._client
        bureau.home.pins.pin(tax.prepare_rotation(["tls"]))
        tax.finish_rotation()
        assert activated_soon(client)
        assert client._client is not before


def test_without_a_pinned_bureau_nothing_starts(tmp_path: Path) -> None:
    tls = FleetTls.of_home(home(tmp_path, TAX, Role.DEPARTMENT), BUREAU)
    with pytest.raises(UntrustedKey, match="no certificate of bureau"):
        client_of(tls, 1)


@pytest.mark.parametrize(("insecure", "root"), [(True, None), (False, b"-----BEGIN CERTIFICATE-----")])
def test_flower_does_not_say_how_the_connection_is_protected(insecure: bool, root: bytes | None) -> None:
    with pytest.raises(ProtectionUnavailable):
        PinnedFleetClient.from_server_address("127.0.0.1:1", insecure, root, [])


def test_the_pinned_flower_is_the_one_whose_connection_is_known() -> None:
    tls = FleetTls(ssl.create_default_context, lambda: None)
    use_pinned_connection(tls)
    client = CONNECTION.FleetHttpClient
    assert issubclass(client, PinnedFleetClient)
    assert client.tls is tls
    # A bundle that comes with a run is not opened by the SuperNode.
    assert LOOP.get_fused_config_from_fab(b"no zip", None) == {}


@pytest.mark.parametrize("change", ["version", "two clients", "another name"])
def test_with_another_flower_nothing_is_changed_and_nothing_starts(
    monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    source = "def http_request_response():\n    with FleetHttpClient.from_server_address():\n        {}\n"
    changed = {
        "version": source.format("pass"),
        "two clients": source.format("FleetHttpClient.from_server_address()"),
        "another name": source.format("httpx.Client()"),
    }
    if change == "version":
        monkeypatch.setattr(fleet_connection, "package_version", "1.42.0")
    else:
        original = inspect.getsource
        monkeypatch.setattr(
            inspect,
            "getsource",
            lambda what: changed[change] if what is CONNECTION.http_request_response else original(what),
        )
    before = CONNECTION.FleetHttpClient
    with pytest.raises(ProtectionUnavailable, match="cannot be pinned"):
        use_pinned_connection(FleetTls(ssl.create_default_context, lambda: None))
    assert CONNECTION.FleetHttpClient is before
