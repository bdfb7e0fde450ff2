"""Nodes that take no part: one of another release, and one that is not trusted any more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from crypto.identifiers import ParticipantId, Role
from participants.runs.approval_policy import approve_everything
from simulations.errors import CommandFailed
from simulations.local_federation.federation import LocalFederation, readiness
from simulations.local_federation.founding import BUREAU
from simulations.local_federation.waiting import until

OPTIONS = ("--purpose", "credit of small firms", "--rounds", "3", "--parameters", "14", "--bins", "4")
COURTS = ParticipantId("courts")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def federation(
    founded: Callable[[Path], AbstractContextManager[LocalFederation]], tmp_path: Path
) -> Iterator[LocalFederation]:
    with founded(tmp_path) as running:
        for node in running.nodes.values():
            if node.operator.role is not Role.BUREAU:
                approve_everything(node.operator.home)
        yield running


def test_a_node_of_another_release_is_named_and_one_that_is_removed_is_cut_off(federation: LocalFederation) -> None:
    def rounds() -> list[int]:
        return [news["round"] for news in federation.news(run) if "round" in news]

    packages = [str(Path(__file__).parent / "faulty"), str(Path(__file__).parents[3])]
    other = {"PYTHONPATH": os.pathsep.join(packages), "YURONG_TEST_RELEASE": "0.0.1"}
    federation.start(set(federation.nodes) - {COURTS})
    federation.start([COURTS], environment=other)
    federation.wait_until_ready(federation.nodes, seconds=300)

    run = federation.propose(*OPTIONS)
    named = f"{COURTS} (another-release-installed)"
    until(lambda: federation.run(run)["not_reached"] == [named], "the other release is named", seconds=120)
    assert not (federation.nodes[COURTS].operator.home / "runs" / run).exists()

    federation.kill(COURTS)
    federation.start([COURTS])
    until(rounds, "the first round is over", seconds=400)
    federation.nodes[BUREAU].operator.type("remove", COURTS)
    until(lambda: _is_cut_off(federation), "it is cut off", seconds=60)
    before = len(rounds())
    assert before < 3
    # One that was answered already may be on its way; after that the run waits, and comes to no model.
    with pytest.raises(CommandFailed, match="another round"):
        until(lambda: len(rounds()) > before + 1, "another round", seconds=20)
    assert federation.run(run)["state"] == "running"
    assert not federation.nodes[BUREAU].operator.ask("models")


def _is_cut_off(federation: LocalFederation) -> bool:
    said = readiness(federation.nodes[COURTS])
    return said is not None and said["checks"]["supernode"] is False
