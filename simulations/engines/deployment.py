"""Flower's deployment engine on one machine: all that a bureau and its participants run for training, on loopback.

The processes are those of real nodes: the SuperLink behind its guard, the executor of server apps, the edge, and a
SuperNode and an executor for every participant, each with a throw-away home of its own for TLS and the node's key. What
is not as in a deployment: they share a machine and its user, and what ends is started again only with `restart`.

    result = run_on_flower("simulations.simulated_run:app", homes, {"rounds": 12}, directory=Path("engine"))

How the server app hands over its result is in `outcome.py`.
"""

import dataclasses
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flwr.app.user_config import UserConfig

from coordinator.errors import LinkFailed
from coordinator.flower.control import FINISHED, Control, RunStatus
from coordinator.flower.edge_program import edge_service
from coordinator.flower.superlink import LINK, LOOPBACK, SuperLink
from coordinator.runs.run_directory import BUREAU_VARIABLE
from crypto.identifiers import ParticipantId, Role
from models.hosting.operation.supervisor import Service, Supervisor, last_line
from models.hosting.trust.home import NodeHome
from participants.flower.training import Apps, training_services
from simulations.engines.errors import EngineNotStarted, RunFailed
from simulations.engines.outcome import Outcome, ProgressReader
from simulations.engines.ports import free_ports
from simulations.engines.run_settings import write_run_settings

BUREAU: Final = ParticipantId("bureau")
_POLL_SECONDS: Final = 0.2
_START_SECONDS: Final = 90.0
# Every participant has this machine's cores to itself in a deployment, and shares them here.
_ENVIRONMENT: Final = {"YURONG_WORKERS": "1"}


@dataclass(frozen=True, slots=True)
class FlowerFederation:
    """A running engine: `run` runs a server app in it and waits for its result.

    `nodes`: the throw-away homes of the participants' nodes. `edge`: where they connect, as host:port. `apps`: what the
    bureau names as the apps of a run.
    """

    directory: Path
    control: Control
    supervisor: Supervisor
    bureau: NodeHome
    nodes: Mapping[ParticipantId, NodeHome]
    edge: str
    apps: Apps

    def run(
        self,
        run_config: UserConfig,
        *,
        deadline_seconds: float,
        progress: ProgressReader = lambda _: None,
    ) -> bytes:
        """Run the server app and return what it wrote as its result; raises `RunFailed`."""
        _await_link(self.supervisor, self.control)
        outcome, name = Outcome.new(self.directory), secrets.token_hex(4)
        write_run_settings(self.directory, name, outcome.added_to(run_config))
        flower_run = self.control.start(
            name,
            resume=bool(run_config.get("resume", False)),
            server_app=self.apps.server,
            client_app=self.apps.client,
        )
        ends_at = time.monotonic() + deadline_seconds
        advice = f"See {self.directory / 'logs'}."
        with outcome.read_progress(progress):
            while (status := self._status(flower_run)) is None or status.status != FINISHED:
                if time.monotonic() >= ends_at:
                    raise RunFailed(f"no result after {deadline_seconds:.0f} s", advice=advice)
                time.sleep(_POLL_SECONDS)
        if not outcome.result.exists():
            raise RunFailed(_one_line(status.details or "the run ended without a result"), advice=advice)
        return outcome.result.read_bytes()

    def _status(self, flower_run: int) -> RunStatus | None:
        """Where the run stands, unless the SuperLink is being started again just now."""
        try:
            return self.control.status(flower_run)
        except LinkFailed:
            return None


@contextmanager
def flower_federation(
    homes: Mapping[ParticipantId, Path], *, directory: Path, apps: Apps | None = None, restart: bool = False
) -> Iterator[FlowerFederation]:
    """Bring the engine up for the participants whose homes these are, and take it down whatever happens.

    `directory` must be new or empty; the logs stay in it. `apps` is what everybody has installed. `restart`: processes
    that end are started again, as in a deployment.
    """
    directory, apps = directory.resolve(), apps or Apps()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise EngineNotStarted(f"{directory} is not empty", advice="Give the engine a directory of its own.")
    link_port, edge_port, *node_ports = free_ports(2 + len(homes))
    edge = f"{LOOPBACK}:{edge_port}"
    bureau, nodes = _found(directory, homes, edge)
    link = SuperLink.prepare(directory / "superlink", port=link_port)
    with Supervisor(logs=directory / "logs", environment=_ENVIRONMENT) as supervisor, link.control() as control:
        start = _Starter(supervisor, restart=restart)
        for service in link.services(environment={BUREAU_VARIABLE: str(directory)}):
            start(service)
        start(
            edge_service(
                bureau.directory, host=LOOPBACK, port=edge_port, link=link.address, link_certificate=link.certificate
            )
        )
        _await_link(supervisor, control)
        control.synchronise({name: [one.node_key for one in found] for name, found in bureau.pins.documents().items()})
        for (name, home), port in zip(sorted(homes.items()), node_ports, strict=True):
            node = nodes[name].directory
            for service in training_services(
                home,
                bureau=BUREAU,
                edge=edge,
                runtime_port=port,
                node=node,
                files=node / "flower",
                apps=apps,
                suffix=f"-{name}",
            ):
                start(service)
        yield FlowerFederation(directory, control, supervisor, bureau, nodes, edge, apps)


def run_on_flower(
    server_app: str,
    homes: Mapping[ParticipantId, Path],
    run_config: UserConfig,
    *,
    directory: Path,
    deadline_seconds: float = 3600.0,
    progress: ProgressReader = lambda _: None,
) -> bytes:
    """Bring the engine up, run one server app in it, take it down, return the result. Raises `EngineError`."""
    with flower_federation(homes, directory=directory, apps=Apps(server=server_app)) as engine:
        return engine.run(run_config, deadline_seconds=deadline_seconds, progress=progress)


@dataclass(frozen=True, slots=True)
class _Starter:
    supervisor: Supervisor
    restart: bool = field(kw_only=True)

    def __call__(self, service: Service) -> None:
        self.supervisor.start(service if self.restart else dataclasses.replace(service, restart_seconds=None))


def _found(
    directory: Path, homes: Mapping[ParticipantId, Path], edge: str
) -> tuple[NodeHome, dict[ParticipantId, NodeHome]]:
    """Homes for the nodes of all, that have pinned each other."""
    bureau = NodeHome.create(
        directory / "bureau", participant_id=BUREAU, role=Role.BUREAU, title="Bureau", address=f"https://{edge}"
    )
    nodes = {
        name: NodeHome.create(
            directory / "nodes" / name,
            participant_id=name,
            # For Flower a bank is a node like any other, and its own keys have no part in it.
            role=Role.DEPARTMENT,
            title=name,
            address=f"https://{LOOPBACK}:1",
        )
        for name in homes
    }
    bureau.pins.pin_all([(node.document(), node.identity().public.fingerprint()) for node in nodes.values()])
    for node in nodes.values():
        node.pins.pin(bureau.document(), fingerprint=bureau.identity().public.fingerprint())
    return bureau, nodes


def _await_link(supervisor: Supervisor, control: Control) -> None:
    ends_at = time.monotonic() + _START_SECONDS
    while not control.answers():
        _require_running(supervisor)
        if time.monotonic() >= ends_at:
            log = last_line(supervisor.child(LINK).log)
            raise EngineNotStarted(f"the SuperLink is not up after {_START_SECONDS:.0f} s: {log}")
        time.sleep(_POLL_SECONDS)


def _require_running(supervisor: Supervisor) -> None:
    ended = supervisor.ended()
    if ended is not None:
        raise EngineNotStarted(
            f"{ended.service.name} ended with code {ended.code}: {last_line(ended.log)}",
            advice=f"Its log is {ended.log}.",
        )


def _one_line(text: str) -> str:
    return " ".join(text.removeprefix("ServerApp failed with exception: ").split())[:300]
