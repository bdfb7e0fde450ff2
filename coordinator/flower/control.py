"""What the bureau asks of its SuperLink: which nodes are registered, a run to start, how it goes, to stop it."""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import httpx
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.supercore.constant import NodeStatus
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.error import ApiErrorCode, FlowerError
from flwr.supercore.fab import Fab
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext

from coordinator.errors import LinkFailed, NodesRefused
from coordinator.flower.bundle import app_bundle
from coordinator.flower.link_guard import CONTROL_KEY_HEADER
from crypto.identifiers import ParticipantId
from models.wire.app_bundle import CLIENT_APP, RESUME_KEY, RUN_KEY, SERVER_APP

FINISHED: Final = "finished"


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands: `status` pending, starting, running or finished, then `outcome` completed, failed or stopped.

    `details` is what a server app that failed said.
    """

    status: str
    outcome: str
    details: str


@dataclass(frozen=True, slots=True)
class Node:
    """A registered SuperNode. `key`: DER SubjectPublicKeyInfo. `status`: registered, online or offline."""

    node_id: int
    name: str
    key: bytes
    status: str


class _ShowsKey:
    """Puts the control key on every request."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        context.request.headers[CONTROL_KEY_HEADER] = self._key.decode("ascii")
        return call_next(context)


class Control:
    """A connection to the SuperLink at `address` (host:port), whose certificate is that in the file `certificate`.

    `key`: the control key; b"" for a SuperLink that has no guard.
    """

    def __init__(self, address: str, certificate: Path, key: bytes = b"") -> None:
        shows_key = [_ShowsKey(key)] if key else []
        self._client = ControlHttpClient.from_server_address(address, False, certificate.read_bytes(), shows_key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def answers(self) -> bool:
        """Whether the SuperLink is up."""
        try:
            self._client.ListNodes(ListNodesRequest())
        except httpx.HTTPError:
            return False
        return True

    def nodes(self) -> list[Node]:
        """All registered nodes."""
        with _failure("to list the nodes"):
            found = self._client.ListNodes(ListNodesRequest()).nodes_info
        return [
            Node(node.node_id, node.name, _der(node.public_key), node.status)
            for node in found
            if node.status != NodeStatus.UNREGISTERED
        ]

    def register(self, name: ParticipantId, node_key: bytes) -> int:
        """Admit the node with this key (DER SubjectPublicKeyInfo) under a participant's name; returns its node id."""
        with _failure(f"to register {name}"):
            return self._client.RegisterNode(RegisterNodeRequest(public_key=_pem(node_key), name=name)).node_id

    def unregister(self, node_id: int) -> None:
        """Admit a node no longer."""
        with _failure("to unregister a node"):
            self._client.UnregisterNode(UnregisterNodeRequest(node_id=node_id))

    def synchronise(self, node_keys: Mapping[ParticipantId, Collection[bytes]]) -> bool:
        """Let exactly these nodes be registered; returns whether anything had to be changed.

        A participant has two keys for as long as two of its documents are in force. Raises `NodesRefused`, when all
        else is done, for a key that was unregistered once: Flower never takes it again, so its node needs a new one.
        """
        wanted = {(str(name), key) for name, keys in node_keys.items() for key in keys if key}
        found = {(node.name, node.key): node.node_id for node in self.nodes()}
        for name, key in sorted(found.keys() - wanted):
            self.unregister(found[name, key])
        refused = [name for name, key in sorted(wanted - found.keys()) if not self._registered(name, key)]
        if refused:
            raise NodesRefused(refused)
        return wanted != found.keys()

    def _registered(self, name: str, node_key: bytes) -> bool:
        request = RegisterNodeRequest(public_key=_pem(node_key), name=name)
        with _failure(f"to register {name}"):
            try:
                self._client.RegisterNode(request)
            except httpx.HTTPStatusError as fault:
                if not fault.response.is_client_error:
                    raise
                return False
        return True

    def start(
        self, run: str, *, resume: bool = False, server_app: str = SERVER_APP, client_app: str = CLIENT_APP
    ) -> int:
        """Start Flower's run of our run `run` (its name at the bureau); returns Flower's id of it."""
        bundle = app_bundle(server_app, client_app)
        request = StartRunRequest(
            fab=fab_to_proto(Fab(hashlib.sha256(bundle).hexdigest(), bundle, {})),
            override_config=user_config_to_proto({RUN_KEY: run, RESUME_KEY: resume}),
        )
        with _failure("to start the run"):
            flower_run = self._client.StartRun(request).run_id
        if not flower_run:
            raise LinkFailed("the SuperLink started no run", advice="Its log says why.")
        return flower_run

    def status(self, flower_run: int) -> RunStatus:
        """Where a run stands. One that the SuperLink does not know, since it has lost its state, has come to an end."""
        with _failure("to say how the run goes"):
            try:
                run = self._client.ListRuns(ListRunsRequest(run_id=flower_run)).run_dict[flower_run]
            except httpx.HTTPStatusError as fault:
                if not _is_unknown_run(fault.response):
                    raise
                return RunStatus(FINISHED, "", "the SuperLink does not know this run")
        return RunStatus(run.status.status, run.status.sub_status, run.status.details)

    def stop(self, flower_run: int) -> None:
        """Stop a run; nothing if it has ended already."""
        if self.status(flower_run).status != FINISHED:
            with _failure("to stop the run"):
                self._client.StopRun(StopRunRequest(run_id=flower_run))


@contextmanager
def _failure(what: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as fault:
        raise LinkFailed(f"the SuperLink failed {what}: {type(fault).__name__}", advice="Its log says why.") from None


def _is_unknown_run(response: httpx.Response) -> bool:
    """Whether Flower says this itself: the guard before it answers 404 as well, to a key that is not ours."""
    said = FlowerError.from_json(response.text)
    return said is not None and said.code == ApiErrorCode.RUN_ID_NOT_FOUND


def _pem(der: bytes) -> bytes:
    """The form in which Flower compares keys."""
    return load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _der(pem: bytes) -> bytes:
    return load_pem_public_key(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
