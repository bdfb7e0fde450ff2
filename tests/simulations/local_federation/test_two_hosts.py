"""Two hosts: the bureau in one network namespace, everybody else in another, one cable between them, which is cut.

The namespaces and what is in them are the test's own, named after its process; nothing else on this machine is touched.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from crypto.identifiers import Role
from participants.runs.approval_policy import approve_everything
from simulations.federation_data import FederationData
from simulations.local_federation.federation import LocalFederation, serving
from simulations.local_federation.founding import BUREAU, Node, found_nodes, lay_out
from simulations.local_federation.operator import ENVIRONMENT
from simulations.local_federation.processes import descendants, kill_all
from simulations.local_federation.waiting import until

OPTIONS = ("--purpose", "credit of small firms", "--rounds", "3", "--parameters", "14", "--bins", "4")
BUREAU_HOST, MEMBERS_HOST = "10.213.87.1", "10.213.87.2"
AWAY_SECONDS = 25.0
"""A SuperNode that was silent for 12 s counts as gone."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Cable:
    """Two namespaces and the cable between them."""

    bureau: str
    members: str

    def cut(self) -> None:
        ip("-n", self.bureau, "link", "set", "cable", "down")

    def mend(self) -> None:
        ip("-n", self.bureau, "link", "set", "cable", "up")


@pytest.fixture
def cable() -> Iterator[Cable]:
    made = Cable(f"yurong-{os.getpid()}-bureau", f"yurong-{os.getpid()}-members")
    try:
        ip("netns", "add", made.bureau)
    except (FileNotFoundError, subprocess.CalledProcessError) as fault:
        pytest.skip(f"network namespaces cannot be made here ({type(fault).__name__}): needs root and iproute2")
    with ExitStack() as stack:
        # With a namespace go its end of the cable and the cable.
        stack.callback(ip, "netns", "del", made.bureau)
        ip("netns", "add", made.members)
        stack.callback(ip, "netns", "del", made.members)
        ip("-n", made.bureau, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", made.members)
        for namespace, host in ((made.bureau, BUREAU_HOST), (made.members, MEMBERS_HOST)):
            ip("-n", namespace, "address", "add", f"{host}/30", "dev", "cable")
            ip("-n", namespace, "link", "set", "lo", "up")
            ip("-n", namespace, "link", "set", "cable", "up")
        yield made


@contextmanager
def served_in(namespace: str, node: Node, log: Path) -> Iterator[None]:
    """A node's `serve` in a network namespace, until the end of the context."""
    program = "from simulations.command.main import main; main()"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [
                *("ip", "netns", "exec", namespace, sys.executable, "-c", program),
                *(node.operator.role, "serve", "--home", str(node.operator.home)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **ENVIRONMENT},
        )
    try:
        yield
        assert process.poll() is None, log.read_text()[-2000:]
    finally:
        kill_all([process.pid, *descendants(process.pid)])
        process.wait()


@pytest.fixture
def across(small_data: FederationData, cable: Cable, tmp_path: Path) -> Iterator[LocalFederation]:
    own = {"lattice_workers": 1}
    nodes = lay_out(
        small_data,
        tmp_path,
        say=lambda _: None,
        settings={Role.DEPARTMENT: own, Role.BANK: own},
        hosts={Role.BUREAU: BUREAU_HOST, Role.DEPARTMENT: MEMBERS_HOST, Role.BANK: MEMBERS_HOST},
    )
    found_nodes(small_data, nodes, tmp_path)
    with ExitStack() as stack:
        federation = stack.enter_context(serving(nodes, tmp_path))
        for name, node in nodes.items():
            namespace = cable.members
            if node.operator.role is Role.BUREAU:
                namespace = cable.bureau
            else:
                approve_everything(node.operator.home)
            stack.enter_context(served_in(namespace, node, tmp_path / f"{name}.log"))
        yield federation


def test_a_cable_that_is_cut_in_the_middle_of_a_round_holds_the_run_up_and_no_more(
    across: LocalFederation, cable: Cable
) -> None:
    def rounds() -> list[int]:
        return [news["round"] for news in across.news(run) if "round" in news]

    run = across.propose(*OPTIONS)
    until(rounds, "the first round is over", seconds=600)
    cable.cut()
    before = len(rounds())
    time.sleep(AWAY_SECONDS)
    assert len(rounds()) <= before + 1, "one that was answered already may have been on its way"
    assert across.run(run)["state"] == "running"
    cable.mend()
    version = across.approve_and_wait(run, seconds=600)
    assert rounds() == list(range(1, len(rounds()) + 1))
    assert [one["model"] for one in across.nodes[BUREAU].operator.ask("models")] == [version]
    for name in (*across.named(Role.DEPARTMENT), *across.named(Role.BANK)):
        assert (across.nodes[name].operator.home / "models" / version / "facts.json").is_file()


def test_the_hosts_are_apart(cable: Cable) -> None:
    """Without the cable nothing of the other host is reached: the test above does not go round it."""

    def reaches(namespace: str, host: str) -> bool:
        program = f"import socket; socket.create_connection(('{host}', 1), timeout=2)"
        done = subprocess.run(
            ["ip", "netns", "exec", namespace, sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=False,
        )
        return "ConnectionRefusedError" in done.stderr

    assert reaches(cable.members, BUREAU_HOST)
    cable.cut()
    assert not reaches(cable.members, BUREAU_HOST)
