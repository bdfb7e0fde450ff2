"""Flower's deployment engine on one machine: a SuperLink and a SuperNode for every participant, on loopback.

What a deployment has is here too: TLS under an authority of its own, registered node keys with the participants' names,
a bundle without code, telemetry, update check and dependency installation off. What is not: the participants share a
machine, and whoever is on it can reach the SuperLink's Control API.

    result = run_on_flower("coordinator.server_app:app", homes, {"rounds": 12}, directory=Path("engine"))

How the server app hands over its result is in `outcome.py`.
"""

import datetime as dt
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flwr.app.user_config import UserConfig

from crypto.identifiers import ParticipantId
from participants.client_app import HOME_KEY
from participants.executor import INSTALLED_APP
from simulations.engines.control import FINISHED, Control
from simulations.engines.credentials import LinkCredentials, make_link_credentials, make_node_key, write_private
from simulations.engines.errors import EngineNotStarted, RunFailed
from simulations.engines.outcome import Outcome, ProgressReader
from simulations.engines.processes import Daemons, free_ports, last_line

_LOOPBACK: Final = "127.0.0.1"
_POLL_SECONDS: Final = 0.2
_START_SECONDS: Final = 90.0

_ENVIRONMENT: Final = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
    "PYTHONUNBUFFERED": "1",
    # Every participant has this machine's cores to itself in a deployment, and shares them here.
    "YURONG_WORKERS": "1",
}


@dataclass(frozen=True, slots=True)
class FlowerFederation:
    """A running engine: `start` runs a server app in it and waits for its result."""

    directory: Path
    control: Control
    daemons: Daemons
    client_app: str

    def run(
        self,
        server_app: str,
        run_config: UserConfig,
        *,
        deadline_seconds: float,
        progress: ProgressReader = lambda _: None,
    ) -> bytes:
        """Run `server_app` (`module:attribute`) and return what it wrote as its result; raises `RunFailed`."""
        outcome = Outcome.new(self.directory)
        run_id = self.control.start(server_app, self.client_app, outcome.added_to(run_config))
        ends_at = time.monotonic() + deadline_seconds
        log = self.directory / "logs" / "superlink.log"
        with outcome.read_progress(progress):
            while (status := self.control.status(run_id)).status != FINISHED:
                if time.monotonic() >= ends_at:
                    raise RunFailed(f"no result after {deadline_seconds:.0f} s", advice=f"See {log}.")
                time.sleep(_POLL_SECONDS)
        if not outcome.result.exists():
            raise RunFailed(_one_line(status.details or "the run ended without a result"), advice=f"See {log}.")
        return outcome.result.read_bytes()


@contextmanager
def flower_federation(
    homes: Mapping[ParticipantId, Path], *, directory: Path, client_app: str = INSTALLED_APP, stock: bool = False
) -> Iterator[FlowerFederation]:
    """Bring the engine up for the participants whose homes these are, and take it down whatever happens.

    `directory` must be new or empty; the logs stay in it. `client_app` is what the participants have installed. `stock`
    runs Flower's own SuperNodes and executors, a process a message and seconds an exchange, instead of ours.
    """
    directory = directory.resolve()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise EngineNotStarted(f"{directory} is not empty", advice="Give the engine a directory of its own.")
    link_port, *node_ports = free_ports(1 + len(homes))
    address = f"{_LOOPBACK}:{link_port}"
    credentials = make_link_credentials(directory, now=dt.datetime.now(dt.UTC))
    environment = {**_ENVIRONMENT, "FLWR_HOME": str(directory / "flower")}
    with Daemons(directory / "logs", environment) as daemons, Control(address, credentials.authority) as control:
        _start_link(daemons, control, link_port, credentials)
        for (name, home), port in zip(sorted(homes.items()), node_ports, strict=True):
            node = _Node(name, home.resolve(), directory / "nodes" / name, port)
            node.prepare(control)
            node.start(daemons, address, credentials.authority, client_app=client_app, stock=stock)
        yield FlowerFederation(directory, control, daemons, client_app)


def run_on_flower(
    server_app: str,
    homes: Mapping[ParticipantId, Path],
    run_config: UserConfig,
    *,
    directory: Path,
    client_app: str = INSTALLED_APP,
    deadline_seconds: float = 3600.0,
    progress: ProgressReader = lambda _: None,
) -> bytes:
    """Bring the engine up, run one server app in it, take it down, return the result. Raises `EngineError`."""
    with flower_federation(homes, directory=directory, client_app=client_app) as federation:
        return federation.run(server_app, run_config, deadline_seconds=deadline_seconds, progress=progress)


def _start_link(daemons: Daemons, control: Control, port: int, credentials: LinkCredentials) -> None:
    arguments = [
        *("--host", _LOOPBACK, "--port", str(port), "--enable-supernode-auth"),
        *("--ssl-ca-certfile", str(credentials.authority)),
        *("--ssl-certfile", str(credentials.certificate), "--ssl-keyfile", str(credentials.key)),
        "--disable-runtime-dependency-installation",
    ]
    daemon = daemons.start("superlink", "flwr.superlink.cli:flower_superlink", arguments)
    ends_at = time.monotonic() + _START_SECONDS
    while not control.answers():
        daemons.require_running()
        if time.monotonic() >= ends_at:
            raise EngineNotStarted(f"the SuperLink is not up after {_START_SECONDS:.0f} s: {last_line(daemon.log)}")
        time.sleep(_POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class _Node:
    """One participant's SuperNode and executor, with their files in `directory`."""

    name: ParticipantId
    home: Path
    directory: Path
    port: int

    def prepare(self, control: Control) -> None:
        """Make the node's key, its configuration and the secret it shares with its executor; register the key."""
        self.directory.mkdir(mode=0o700, parents=True)
        control.register(self.name, make_node_key(self.directory / "node.key"))
        write_private(self.directory / "executor.secret", secrets.token_bytes(32))
        (self.directory / "node.toml").write_text(f"{HOME_KEY} = {json.dumps(str(self.home))}\n", encoding="utf-8")

    def start(self, daemons: Daemons, link: str, authority: Path, *, client_app: str, stock: bool) -> None:
        """Start the SuperNode and, unless `stock`, the participant's own executor."""
        node = [
            *("--superlink", link, "--root-certificates", str(authority)),
            *("--auth-supernode-private-key", str(self.directory / "node.key")),
            *("--host", _LOOPBACK, "--port", str(self.port)),
            *("--node-config", str(self.directory / "node.toml")),
        ]
        if stock:
            daemons.start(f"supernode-{self.name}", "flwr.supernode.cli:flower_supernode", node)
            return
        secret = str(self.directory / "executor.secret")
        isolation = ["--isolation", "process", "--superexec-auth-secret-file", secret]
        daemons.start(f"supernode-{self.name}", "participants.supernode:main", [*node, *isolation])
        executor = ["--runtime-api", f"{_LOOPBACK}:{self.port}", "--secret-file", secret, "--client-app", client_app]
        daemons.start(f"executor-{self.name}", "participants.executor:main", executor)


def _one_line(text: str) -> str:
    return " ".join(text.removeprefix("ServerApp failed with exception: ").split())[:300]
