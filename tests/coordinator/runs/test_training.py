"""Rounds in which messages and participants are lost, and runs whose bureau stops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from coordinator.errors import NothingToResume, ParticipantRefused, ParticipantsLost
from crypto.errors import TooFewMembers
from crypto.identifiers import ParticipantId, RequestId
from models.block_file import block_from_bytes
from models.wire import transport
from models.wire.plan import RunPlan
from participants.flower.client_app import app as participants_app
from participants.flower.client_app import client_app
from participants.flower.replies import ReplyStore
from participants.node import Node
from simulations.comparison import BANKS, PooledRun
from simulations.engines.faults import Fault, FaultAction
from simulations.engines.local_grid import BUREAU, LocalGrid
from simulations.founding import FoundedFederation, found
from simulations.rehearsal import FinishedRun, observe, rehearse
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS, SmallFederation

TAX, COURTS, LAND = (ParticipantId(name) for name in ("tax", "courts", "land"))
EAST, NORTH, WEST = (ParticipantId(name) for name in ("bank-east", "bank-north", "bank-west"))


class Stopped(Exception):
    """The bureau's process ends."""


@pytest.fixture(scope="module")
def three_banks(tmp_path_factory: pytest.TempPathFactory) -> FoundedFederation:
    """Three departments and three banks, any two of which have enough borrowers."""
    return found(SmallFederation(departments=3, banks=3).make(), tmp_path_factory.mktemp("three-banks"))


def new_plan(federation: FoundedFederation) -> RunPlan:
    return plan_run(federation, SETTINGS, purpose="faults")


def assert_blocks_add_up(run: FinishedRun, pooled: PooledRun) -> None:
    """What the banks reached is what everybody's finished blocks give."""
    total = np.zeros(len(pooled.labels))
    for name, design in pooled.designs.items():
        holder = run.federation.banks[-1] if name == BANKS else name
        weights = block_from_bytes(pooled.runs[holder].store.read_bytes("final-block")).weights_array()
        total += np.asarray(design.columns) @ weights
    difference = pooled.federated_log_odds - total
    assert np.ptp(difference) < 1e-6, "the difference is the intercept, the same for all"


def test_lost_late_and_crashed_messages_change_nothing(finished: FinishedRun) -> None:
    faults = [
        Fault(action=FaultAction.DROP_REQUEST, participant=TAX, kind="gradient", after=1),
        Fault(action=FaultAction.DROP_REPLY, participant=EAST, kind="open"),
        Fault(action=FaultAction.DROP_REPLY, participant=NORTH, kind="newton", after=2),
        Fault(action=FaultAction.DELAY, participant=COURTS, kind="direction", seconds=0.5),
        Fault(action=FaultAction.ERROR, participant=LAND, kind="direction", after=1),
    ]
    run = observe(finished.federation, new_plan(finished.federation), faults=faults, deadline_seconds=9)
    assert run.objectives == pytest.approx(finished.objectives, rel=1e-9)
    assert [record["attempts"] for record in run.result["rounds"]] == [1, 1, 1]


def test_a_department_that_dies_is_left_out_of_the_round_and_its_later_rounds_count(
    federation: FoundedFederation, finished: FinishedRun
) -> None:
    def revive_after_round_two(grid: LocalGrid, news: dict[str, Any]) -> None:
        if news.get("round") == 2:
            Node.forget(federation.homes[TAX])
            grid.revive(TAX)

    killed = Fault(action=FaultAction.KILL_BEFORE_REPLY, participant=TAX, kind="direction", after=1)
    run = observe(federation, new_plan(federation), faults=[killed], watch=revive_after_round_two)
    assert [record["left_out"] for record in run.result["rounds"]] == [[], ["tax"], []]
    assert [record["attempts"] for record in run.result["rounds"]] == [1, 3, 1]
    assert run.objectives[0] == pytest.approx(finished.objectives[0], rel=1e-9)
    assert run.objectives[0] > run.objectives[1] > run.objectives[2] > finished.objectives[2]
    assert_blocks_add_up(run, PooledRun(federation, run.plan.run_id, rounds=3))


@pytest.mark.parametrize(("bank", "step"), [(EAST, "search"), (WEST, "open")], ids=["the-leading-bank", "another"])
def test_a_bank_that_dies_leaves_the_run_to_the_others(
    three_banks: FoundedFederation, bank: ParticipantId, step: str
) -> None:
    killed = Fault(action=FaultAction.KILL, participant=bank, kind=step, after=1)
    run = observe(three_banks, new_plan(three_banks), faults=[killed])
    assert [record["left_out"] for record in run.result["rounds"]] == [[], [bank], [bank]]
    assert run.result["scores"].keys() == {EAST, NORTH, WEST} - {bank}
    assert run.result["metrics"]["training"]["rows"] < 2 * 460
    assert run.objectives[1] > run.objectives[2]


def test_the_run_ends_when_the_banks_left_have_too_few_borrowers(three_banks: FoundedFederation) -> None:
    def bury_two(grid: LocalGrid, news: dict[str, Any]) -> None:
        if news.get("round") == 1:
            grid.kill(EAST)
            grid.kill(WEST)

    with pytest.raises(ParticipantRefused, match="bank-north refused: ProtectionUnavailable"):
        rehearse(three_banks, new_plan(three_banks), watch=bury_two)


def test_the_run_ends_when_too_few_departments_are_left(three_banks: FoundedFederation) -> None:
    killed = Fault(action=FaultAction.KILL, participant=LAND, kind="gradient", after=1)
    with pytest.raises(TooFewMembers, match="2 departments hides too little"):
        rehearse(three_banks, new_plan(three_banks), faults=[killed])


@pytest.mark.parametrize("phase", ["alignment", "binning"])
def test_a_participant_that_dies_before_training_ends_the_run_with_its_name(
    federation: FoundedFederation, phase: str
) -> None:
    def kill(grid: LocalGrid, news: dict[str, Any]) -> None:
        if news.get("phase") == phase:
            grid.kill(LAND)

    plan = new_plan(federation)
    with pytest.raises(ParticipantsLost, match="no answer from land"):
        rehearse(federation, plan, watch=kill)
    with pytest.raises(NothingToResume):
        rehearse(federation, plan, resume=True)


def test_a_participant_that_comes_back_as_another_node_takes_part_in_every_round(finished: FinishedRun) -> None:
    def rotate(grid: LocalGrid, news: dict[str, Any]) -> None:
        """What Flower makes of new keys: the node of before is gone, and another one has its name."""
        if news.get("round") == 1:
            participant = grid._named(TAX)
            del grid._participants[participant.node_id]
            participant.node_id += 1000
            grid._participants[participant.node_id] = participant

    run = observe(finished.federation, new_plan(finished.federation), watch=rotate)
    assert [record["left_out"] for record in run.result["rounds"]] == [[], [], []]
    assert run.objectives == pytest.approx(finished.objectives, rel=1e-9)


@pytest.mark.parametrize("step", ["gradient", "newton"])
def test_a_bureau_that_stops_in_a_round_takes_the_run_up_after_the_round_before(
    finished: FinishedRun, step: str
) -> None:
    asked: list[str] = []

    def stop(sender: str, _receiver: str, kind: str, _payload: bytes, _size: int) -> None:
        asked.extend([kind] if sender == BUREAU else [])
        if asked.count("search") >= 4 and kind == step:
            raise Stopped

    plan = new_plan(finished.federation)
    with pytest.raises(Stopped):
        rehearse(finished.federation, plan, recorder=stop)
    resumed = observe(finished.federation, plan, resume=True)
    assert resumed.objectives == pytest.approx(finished.objectives, rel=1e-9)
    assert resumed.result["metrics"]["held_out"]["auc"] == pytest.approx(
        finished.result["metrics"]["held_out"]["auc"], abs=1e-6
    )
    assert resumed.result["scores"] == finished.result["scores"]


def test_a_bureau_that_stops_after_the_last_round_only_finishes(finished: FinishedRun) -> None:
    def stop(_grid: LocalGrid, news: dict[str, Any]) -> None:
        if news.get("round") == 3:
            raise Stopped

    plan = new_plan(finished.federation)
    with pytest.raises(Stopped):
        rehearse(finished.federation, plan, watch=stop)
    resumed = observe(finished.federation, plan, resume=True)
    assert resumed.rounds == 3
    assert "gradient" not in {letter.kind for letter in resumed.bureau.letters}
    assert resumed.result["scores"] == finished.result["scores"]


class Forgetful:
    """A participant whose process ends after every message."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def handle(self, kind: str, body: bytes) -> bytes:
        Node.forget(self._home)
        return Node.open(self._home).handle(kind, body)


def test_participants_need_nothing_in_memory(finished: FinishedRun) -> None:
    run = observe(finished.federation, new_plan(finished.federation), client_app=client_app(Forgetful))
    assert run.objectives == pytest.approx(finished.objectives, rel=1e-9)


def test_a_participant_that_died_over_a_step_and_came_back_ends_the_attempt_and_not_the_run(
    finished: FinishedRun,
) -> None:
    deaths: list[str] = []
    mortal = ClientApp()

    @mortal.query(transport.MESSAGE_ACTION)
    def step(message: Message, context: Context) -> Message:
        header = message.content.config_records[transport.HEADER_RECORD]
        home = Path(str(context.node_config["home"]))
        if header["kind"] == "direction" and home.name == TAX and not deaths:
            deaths.append(str(header["request"]))
            body = message.content.array_records[transport.BODY_RECORD][transport.BODY_ARRAY].data
            ReplyStore(home / "replies").claim(RequestId(deaths[0]), "direction", body)
            raise RuntimeError("the process died while it was handling this")
        return participants_app(message, context)

    run = observe(finished.federation, new_plan(finished.federation), client_app=mortal)
    assert [record["attempts"] for record in run.result["rounds"]] == [2, 1, 1]
    assert run.objectives == pytest.approx(finished.objectives, rel=1e-9)


def test_a_plan_with_too_few_rows_starts_no_training(federation: FoundedFederation) -> None:
    plan = replace(new_plan(federation), maximum_rounds=6)
    seen: list[str] = []
    with pytest.raises(ParticipantRefused, match=r"bank-\w+ refused: ProtectionUnavailable"):
        rehearse(federation, plan, recorder=lambda _s, _r, kind, _p, _n: seen.append(kind))
    assert "gradient" not in seen


def test_heavy_borrowers_do_not_count_as_several_rows(tmp_path: Path) -> None:
    federation = found(SmallFederation(departments=3, weighted=True).make(), tmp_path)
    plan, seen = replace(new_plan(federation), maximum_rounds=6), list[str]()
    with pytest.raises(ParticipantRefused, match=r"bank-\w+ refused: ProtectionUnavailable"):
        rehearse(federation, plan, recorder=lambda _s, _r, kind, _p, _n: seen.append(kind))
    assert "gradient" not in seen


def test_a_plan_with_two_departments_is_refused_by_everybody(federation: FoundedFederation) -> None:
    plan = replace(new_plan(federation), departments=federation.departments[:2])
    with pytest.raises(ParticipantRefused, match="refused: TooFewMembers"):
        rehearse(federation, plan)
