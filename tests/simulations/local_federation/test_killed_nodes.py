"""Any one process of a federation is killed in any phase of a run: the run goes on, to the model of an undisturbed one.

All homes are sealed with a passphrase, so each process that is started again has to open its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coordinator.runs.run_records import RunState
from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from models.block_file import block_from_bytes
from models.hosting.storage.database import SQLITE_FILE
from participants.model_store import ModelStore
from participants.runs.approval_policy import approve_everything
from simulations.local_federation.federation import LocalFederation
from simulations.local_federation.founding import BUREAU
from simulations.local_federation.waiting import until

OPTIONS = ("--purpose", "credit of small firms", "--rounds", "3", "--parameters", "14", "--bins", "4")
COURTS, BANK_EAST = ParticipantId("courts"), ParticipantId("bank-east")
PASSPHRASE = "correct horse battery staple"

VICTIMS = [
    *((BUREAU, ""), (COURTS, ""), (BANK_EAST, "")),
    (BUREAU, "coordinator.flower.link_program:main"),
    (BUREAU, "coordinator.flower.executor_program:main"),
    (BUREAU, "-m coordinator.flower.executor_program "),
    (BUREAU, "coordinator.flower.edge_program:main"),
    (COURTS, "participants.flower.executor:main"),
    (COURTS, "participants.flower.supernode:main"),
]
PHASES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "alignment": lambda news: news.get("phase") == "alignment",
    "a round": lambda news: news.get("round") == 1,
    "evaluation": lambda news: news.get("phase") == "evaluation",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Undisturbed:
    """A federation that runs, and the blocks of a run in which nothing happened."""

    federation: LocalFederation
    weights: dict[ParticipantId, NDArray[np.float64]]


def weights_of(federation: LocalFederation, version: ModelVersion) -> dict[ParticipantId, NDArray[np.float64]]:
    """Everybody's weights, behind them the intercept of a bank."""
    weights = {}
    for name in (*federation.named(Role.DEPARTMENT), *federation.named(Role.BANK)):
        store = ModelStore(federation.nodes[name].operator.home / "models", version)
        intercept = [float(store.facts()["intercept"])] if "intercept" in store.facts() else []
        weights[name] = np.array([*block_from_bytes(store.block()).weights_array(), *intercept])
    return weights


@pytest.fixture(scope="module")
def undisturbed(
    founded: Callable[[Path], AbstractContextManager[LocalFederation]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Undisturbed]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YURONG_PASSPHRASE", PASSPHRASE)
        with founded(tmp_path_factory.mktemp("killed")) as federation:
            for node in federation.nodes.values():
                assert b"PRIVATE KEY" not in b"".join(
                    path.read_bytes().replace(b"ENCRYPTED PRIVATE KEY", b"")
                    for path in (node.operator.home / "keys").rglob("*")
                    if path.is_file()
                )
                if node.operator.role is not Role.BUREAU:
                    approve_everything(node.operator.home)
            federation.start(federation.nodes)
            federation.wait_until_ready(federation.nodes, seconds=300)
            version = federation.approve_and_wait(federation.propose(*OPTIONS), seconds=600)
            yield Undisturbed(federation, weights_of(federation, version))
    assert federation.supervisor.marked() == []


def reach(federation: LocalFederation, run: RunId, phase: str) -> None:
    """Wait until a run has come to a phase."""
    until(lambda: any(PHASES[phase](news) for news in federation.news(run)), f"it comes to {phase}", seconds=300)


def is_past(federation: LocalFederation, run: RunId, phase: str) -> bool:
    """Whether a run has come further than this phase, by the bureau's files: a command would take too long."""
    later = list(PHASES)[list(PHASES).index(phase) + 1 :]
    if later:
        return any(PHASES[later[0]](news) for news in federation.news(run))
    database = federation.nodes[BUREAU].operator.home / SQLITE_FILE
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        (state,) = connection.execute("SELECT state FROM runs WHERE run_id = ?", (run,)).fetchone()
    return bool(state == RunState.FINISHED)


@pytest.mark.parametrize(("name", "part"), VICTIMS, ids=lambda value: str(value).split(".")[-1].strip() or "all of it")
def test_what_is_killed_in_each_phase_leaves_the_model_as_it_would_have_been(
    undisturbed: Undisturbed, name: ParticipantId, part: str
) -> None:
    federation = undisturbed.federation
    run = federation.propose(*OPTIONS)
    for phase in PHASES:
        reach(federation, run, phase)
        if part:
            until(lambda: federation.kill_part(name, part), f"there is a process {part}", seconds=60)
        else:
            federation.kill(name)
            federation.start([name])
        assert not is_past(federation, run, phase), f"the kill came after {phase}"
    version = federation.approve_and_wait(run, seconds=900)
    rounds = [news["round"] for news in federation.news(run) if "round" in news]
    assert rounds == sorted(set(rounds)), "a round was doubled"
    models = [one for one in federation.nodes[BUREAU].operator.ask("models") if one["run"].startswith(run)]
    assert [one["model"] for one in models] == [version]
    for who, weights in weights_of(federation, version).items():
        np.testing.assert_allclose(weights, undisturbed.weights[who], atol=1e-6, err_msg=who)
