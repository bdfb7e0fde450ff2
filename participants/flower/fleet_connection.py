"""The SuperNode's connection to the bureau: with this participant's certificate, and to the pinned bureau alone.

    SuperNode --TLS 1.3, own certificate; anchors: those of the bureau's pinned documents--> the bureau's edge

Flower's own SuperNode shows no certificate, believes authorities and follows redirects; a bureau that answers with one
could so let a participant call services inside its own network. `use_pinned_connection` puts another client in the
place of Flower's. It changes nothing, and the SuperNode does not start, unless Flower is found to make its client
exactly where this version does: a connection that is less than pinned is worse than none.

New pins and certificates are taken up with the next call. A new node key is taken up by a new process: this one ends,
and is started again (`participants/flower/training.py`).
"""

import ast
import inspect
import logging
import os
import signal
import ssl
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Self

import flwr.supernode.fleet_http_connection as flower_connection
import flwr.supernode.start_client_internal as supernode_loop
import httpx
from flwr.app.user_config import UserConfig
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest, SendNodeHeartbeatResponse
from flwr.supercore.protobuf.client import ProtobufClientInterceptor, ProtobufRequestContext
from flwr.supercore.retry import RetryInvoker
from flwr.supercore.version import package_version
from flwr.supernode.fleet_http_client import FleetHttpClient

from crypto.errors import ProtectionUnavailable, UntrustedKey
from crypto.identifiers import ParticipantId
from models.hosting.https.tls import client_context
from models.hosting.trust.home import NodeHome

KNOWN_VERSION: Final = "1.41.0"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FleetTls:
    """How this participant connects. `context` makes the TLS context; `changed` gives another value when it would.

    `is_same_node`: False when the node key is no longer the one this process started with. `alive`: a file that is
    touched with each heartbeat that the bureau took, or None.
    """

    context: Callable[[], ssl.SSLContext]
    changed: Callable[[], Hashable]
    is_same_node: Callable[[], bool] = lambda: True
    alive: Path | None = None

    @classmethod
    def of_home(cls, home: NodeHome, bureau: ParticipantId, *, alive: Path | None = None) -> Self:
        """The connection of the participant whose home this is. Raises `UntrustedKey` if the bureau is not pinned."""

        def certificates() -> tuple[bytes, ...]:
            documents = home.pins.documents().get(bureau, ())
            return tuple(one.certificate for one in documents if one.certificate)

        def context() -> ssl.SSLContext:
            found = certificates()
            if not found:
                raise UntrustedKey(
                    f"no certificate of {bureau} is pinned here", advice="Pin the bureau's document, address included."
                )
            return client_context(*home.tls_identity(), found)

        started_with = home.node_key()
        return cls(context, lambda: (home.serial, certificates()), lambda: home.node_key() == started_with, alive)


class PinnedFleetClient(FleetHttpClient):
    """Flower's client of the fleet calls, over connections that `tls` makes."""

    tls: ClassVar[FleetTls]

    def __init__(self, base_url: str, interceptors: Sequence[ProtobufClientInterceptor]) -> None:
        self._seen: Hashable = self.tls.changed()
        super().__init__(base_url, interceptors=interceptors, verify=self.tls.context())
        self._client.follow_redirects = False
        self._before: httpx.Client | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_server_address(
        cls,
        server_address: str,
        insecure: bool,
        root_certificates: bytes | str | None,
        interceptors: Sequence[ProtobufClientInterceptor],
        *,
        retry_invoker: RetryInvoker | None = None,
    ) -> Self:
        """What Flower's SuperNode calls; it may say nothing of how the connection is protected."""
        if insecure or root_certificates is not None or retry_invoker is not None:
            raise ProtectionUnavailable("the SuperNode was told to connect otherwise than to the pinned bureau")
        return cls(f"https://{server_address}", interceptors)

    def SendNodeHeartbeat(self, request: SendNodeHeartbeatRequest) -> SendNodeHeartbeatResponse:  # noqa: N802
        """Say that this node is there."""
        response = super().SendNodeHeartbeat(request)
        if response.success and self.tls.alive is not None:
            self.tls.alive.touch(mode=0o600)
        return response

    def close(self) -> None:
        """Close all connections."""
        super().close()
        if self._before is not None:
            self._before.close()

    def _send(self, context: ProtobufRequestContext, *, stream: bool = False) -> httpx.Response:
        self._follow_changes()
        return super()._send(context, stream=stream)

    def _follow_changes(self) -> None:
        with self._lock:
            changed = self.tls.changed()
            if changed == self._seen:
                return
            if not self.tls.is_same_node():
                _log.warning("this node has a new key; ending, to start with it")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            client = httpx.Client(verify=self.tls.context(), timeout=self._client.timeout, follow_redirects=False)
            # The other thread may be in the middle of a call on the old one; it is closed at the next change.
            old, self._before, self._client, self._seen = self._before, self._client, client, changed
            if old is not None:
                old.close()


def use_pinned_connection(tls: FleetTls) -> None:
    """Let the SuperNode of this process connect by `tls`, and open no bundle that comes with a run.

    Raises `ProtectionUnavailable`, with nothing changed, if Flower is not what this was written for.
    """
    if package_version != KNOWN_VERSION or not _is_as_known():
        raise ProtectionUnavailable(
            "the SuperNode's connection cannot be pinned",
            advice=f"Install flwr=={KNOWN_VERSION}, as pyproject.toml says.",
        )
    pinned = type("PinnedFleetClient", (PinnedFleetClient,), {"tls": tls})
    setattr(flower_connection, "FleetHttpClient", pinned)  # noqa: B010 - a plain assignment is a type error, rightly
    # The bundle is read by the executor, which checks it (`models/wire/app_bundle.py`); here it is only passed on.
    setattr(supernode_loop, "get_fused_config_from_fab", _no_configuration)  # noqa: B010


def _no_configuration(_bundle: bytes, _run: object) -> UserConfig:
    """The run's configuration is the bureau's own affair; no step of ours reads it."""
    return {}


def _is_as_known() -> bool:
    """Whether the SuperNode makes its one client, and reads a bundle, by the names that are replaced here."""
    connect = ast.parse(inspect.getsource(flower_connection.http_request_response))
    uses = [node for node in ast.walk(connect) if isinstance(node, ast.Name) and node.id == "FleetHttpClient"]
    clients = [ast.unparse(node.func) for node in ast.walk(connect) if isinstance(node, ast.Call)]
    makes = [name for name in clients if name.endswith("from_server_address") or name.startswith("httpx.")]
    reads = ast.parse(inspect.getsource(supernode_loop._pull_and_store_message))  # noqa: SLF001 - the seam
    readers = [
        node for node in ast.walk(reads) if isinstance(node, ast.Name) and node.id == "get_fused_config_from_fab"
    ]
    return (
        len(uses) == 1
        and makes == ["FleetHttpClient.from_server_address"]
        and len(readers) == 1
        and getattr(flower_connection, "FleetHttpClient", None) is FleetHttpClient
    )
