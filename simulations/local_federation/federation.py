"""A running federation of separate nodes: started by `serve`, looked after, killed and started again, and stopped.

No node of it is in this process. What is asked of them is typed, or asked over HTTPS as a bank does.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from models.hosting.operation.supervisor import Service, Supervisor, last_line
from models.wire.plan import attempt_of
from simulations.errors import CommandFailed
from simulations.local_federation.founding import BUREAU, Node
from simulations.local_federation.operator import ENVIRONMENT
from simulations.local_federation.processes import descendants, find_below, kill_all

_POLL_SECONDS: Final = 0.25
_RUN_POLL_SECONDS: Final = 2.0
"""Each look is a process of its own, which takes a second of what the nodes train with."""
_AT_ONCE: Final = 2
_COMMAND: Final = "simulations.command.main:main"


@dataclass(frozen=True, slots=True)
class LocalFederation:
    """The nodes by name, and the processes that serve them."""

    nodes: Mapping[ParticipantId, Node]
    supervisor: Supervisor

    def named(self, role: Role) -> tuple[ParticipantId, ...]:
        """The nodes of a role, sorted."""
        return tuple(sorted(name for name, node in self.nodes.items() if node.operator.role is role))

    def start(self, names: Iterable[ParticipantId], *, environment: Mapping[str, str] | None = None) -> None:
        """Start nodes, without waiting for them. `environment` is what they see beside this process's own."""
        for name in names:
            node = self.nodes[name]
            arguments = [node.operator.role, "serve", "--home", str(node.operator.home)]
            service = Service(name, _COMMAND, arguments, restart_seconds=None, environment=environment or {})
            node.operator.say(f"yurong {shlex.join(arguments)} &")
            self.supervisor.start(service)

    def kill(self, name: ParticipantId) -> None:
        """Kill a node's whole process tree, as if its machine had lost power."""
        kill_all([self.pid(name), *descendants(self.pid(name))])
        self.supervisor.forget(name)

    def kill_part(self, name: ParticipantId, part: str) -> bool:
        """Kill one process of a node, and what is below it; False if there is none with `part` in its command line."""
        found = find_below(self.pid(name), part)
        if found:
            kill_all([found[0], *descendants(found[0])])  # forks below it have its command line
        return bool(found)

    def pid(self, name: ParticipantId) -> int:
        """The process that `serve` is in; the others of the node are below it."""
        return self.supervisor.child(name).process.pid

    def pause(self, name: ParticipantId) -> None:
        """Let a node hang: it keeps its connections and does nothing."""
        os.killpg(self.supervisor.child(name).process.pid, signal.SIGSTOP)

    def go_on(self, name: ParticipantId) -> None:
        """End a pause."""
        os.killpg(self.supervisor.child(name).process.pid, signal.SIGCONT)

    def wait_until_ready(
        self, names: Iterable[ParticipantId], *, seconds: float = 120.0, poll_seconds: float = _POLL_SECONDS
    ) -> None:
        """Return when all of these are ready; raises `CommandFailed` for one that ended or is not ready by then."""
        ends_at = time.monotonic() + seconds
        for name in names:
            while not (answer := ready(self.nodes[name]))[0]:
                child = self.supervisor.child(name)
                if child.process.poll() is not None or time.monotonic() >= ends_at:
                    said = last_line(child.log) if child.process.poll() is not None else answer[1]
                    raise CommandFailed(f"yurong {self.nodes[name].operator.role} serve", 1, f"{name}: {said}")
                time.sleep(poll_seconds)

    def train(self, *options: str, seconds: float = 1800.0) -> ModelVersion:
        """Propose a run, have everybody approve it, wait for its model, and open that for scores."""
        run = self.propose(*options)
        version = self.approve_and_wait(run, seconds=seconds)
        self.nodes[BUREAU].operator.type("approve", version)
        return version

    def propose(self, *options: str) -> RunId:
        """Have the bureau propose a run of training."""
        return RunId(self.nodes[BUREAU].operator.ask("train", *options)["run"])

    def run(self, run: RunId) -> dict[str, Any]:
        """What the bureau says of a run."""
        looking = replace(self.nodes[BUREAU].operator, say=lambda _: None)  # or nothing else would be heard
        rows: list[dict[str, Any]] = looking.ask("runs")
        return next(one for one in rows if one["run"] == run)

    def news(self, run: RunId) -> list[dict[str, Any]]:
        """What the bureau's progress file says of all attempts of a run, the oldest first."""
        attempts = sorted(
            (self.nodes[BUREAU].operator.home / "runs").glob(f"{run}*"), key=lambda one: attempt_of(one.name)[1]
        )
        files = [one / "progress" for one in attempts if (one / "progress").is_file()]
        return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    def approve(self, run: RunId, names: Iterable[ParticipantId]) -> None:
        """Have participants look at a run that they were asked for, and approve it."""

        def decide(name: ParticipantId) -> None:
            self.nodes[name].operator.type("show", run)
            self.nodes[name].operator.type("approve", run)

        with ThreadPoolExecutor(_AT_ONCE) as hands:
            list(hands.map(decide, names))

    def approve_and_wait(self, run: RunId, *, seconds: float) -> ModelVersion:
        """Have whoever a run waits for approve it, and wait until there is a model; raises `CommandFailed`."""
        ends_at = time.monotonic() + seconds
        approved: set[ParticipantId] = set()
        while (said := self.run(run))["state"] != "finished":
            if said["state"] in ("failed", "refused") or time.monotonic() > ends_at:
                raise CommandFailed("yurong bureau train", 1, str(said["reason"] or said["state"]))
            asked = {ParticipantId(name) for name in said["waits_for"]} - approved
            self.approve(run, sorted(asked))
            approved |= asked
            time.sleep(_RUN_POLL_SECONDS)
        return ModelVersion(said["model"])


@contextmanager
def serving(nodes: Mapping[ParticipantId, Node], directory: Path) -> Iterator[LocalFederation]:
    """Processes for these nodes, none of which is left at the end. None is started yet; logs go to `directory`/logs."""
    with Supervisor(logs=directory / "logs", environment=ENVIRONMENT) as supervisor:
        yield LocalFederation(nodes, supervisor)


def ready(node: Node) -> tuple[bool, str]:
    """Whether a node says that it is ready, and else what it is waiting for."""
    said = readiness(node)
    if said is None:
        return False, "it does not answer"
    return said["ready"] is True, ", ".join(name for name, is_well in said["checks"].items() if not is_well)


def readiness(node: Node) -> Any:
    """What a node's `/readyz` says, read; None while it does not answer."""
    try:
        with urllib.request.urlopen(f"{node.operations}/readyz", timeout=5) as answer:  # noqa: S310 - http, loopback
            return json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        return json.loads(refused.read())
    except OSError:
        return None
