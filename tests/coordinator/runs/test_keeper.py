"""The bureau keeps its runs going, whatever is killed and whenever."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from coordinator.database import SCHEMA
from coordinator.errors import LinkFailed
from coordinator.flower import server_app
from coordinator.flower.control import FINISHED, RunStatus
from coordinator.flower.server_app import conduct_of_bureau
from coordinator.registry import ModelRegistry, ModelState
from coordinator.runs import setup
from coordinator.runs.keeper import MAXIMUM_RESTARTS, SILENT_SECONDS, RunKeeper
from coordinator.runs.run_directory import ConductSettings, RunDirectory
from coordinator.runs.run_records import RunRecord, RunRecords, RunState
from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from models.hosting.errors import DatabaseUnusable
from models.hosting.storage.database import Database
from models.model_card import ModelCard
from models.wire.plan import MAXIMUM_ATTEMPTS, RunPlan
from simulations.engines.local_grid import LocalGrid
from simulations.founding import FoundedFederation
from simulations.rehearsal import FinishedRun
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS


class Killed(BaseException):
    """The end of the bureau's process."""


@dataclass
class Hand:
    """A clock that is set by hand."""

    seconds: float = 1_800_000_000.0

    def now(self) -> float:
        return self.seconds


@dataclass
class Bureau:
    """What of a bureau outlives its process, and a SuperLink beside it that does what a test says."""

    directory: Path
    database: Database
    act: Callable[[Path, str], None] = lambda _directory, _run: None
    clock: Hand = field(default_factory=Hand)
    started: list[str] = field(default_factory=list)
    status_of_all: str = FINISHED

    @property
    def records(self) -> RunRecords:
        return RunRecords(self.database, clock=self.clock)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.database, clock=self.clock)

    def keeper(self) -> RunKeeper:
        settings = ConductSettings(approval_seconds=60.0, score_applicants=False)
        return RunKeeper(self.records, self, self.registry, bureau=self.directory, settings=settings, clock=self.clock)

    def start(self, run: str, *, resume: bool = False) -> int:
        assert resume
        self.started.append(run)
        self.act(self.directory, run)
        return len(self.started)

    def status(self, flower_run: int) -> RunStatus:
        assert 1 <= flower_run <= len(self.started)
        return RunStatus(self.status_of_all, "", "")

    def stop(self, flower_run: int) -> None:
        assert flower_run == len(self.started)
        self.status_of_all = FINISHED

    def passes(self, number: int) -> RunRecord:
        for _ in range(number):
            self.keeper().step()
        (record,) = self.records.all()
        return record

    def fails(self, **facts: Any) -> None:
        """Have every server app from now on end with this failure."""
        failure = {"error": "ParticipantRefused", "message": "why", "participant": "tax", "code": "", **facts}
        self.act = lambda directory, run: RunDirectory.of(directory, run).write_json("failure", failure)


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    database = Database(f"sqlite:///{tmp_path / 'bureau.sqlite'}", SCHEMA)
    database.migrate()
    with closing(database):
        yield Bureau(tmp_path, database)


@pytest.fixture
def plan(federation: FoundedFederation) -> RunPlan:
    return plan_run(federation, SETTINGS, purpose="kept going")


def ends_as(finished: FinishedRun) -> Callable[[Path, str], None]:
    """A server app that leaves what a finished run has left."""

    def act(directory: Path, run: str) -> None:
        files = RunDirectory.of(directory, run)
        kept = finished.federation.directory / "bureau" / finished.plan.run_id
        for name in ("introduction", "checkpoint"):
            shutil.copy(kept / name, files.directory / name)
        files.write_json("result", finished.result | {"ended_at": "2027-01-15 08:00 UTC"})

    return act


def test_a_run_is_conducted_and_its_model_is_proposed(
    bureau: Bureau, federation: FoundedFederation, plan: RunPlan
) -> None:
    def conduct(directory: Path, run: str) -> None:
        with LocalGrid(federation.homes) as grid:
            conduct_of_bureau(grid, {"run": run, "resume": True}, directory)

    bureau.act = conduct
    bureau.records.propose(plan)
    assert bureau.passes(5).state is RunState.FINISHED
    (model,) = bureau.registry.models()
    assert model.state is ModelState.PROPOSED
    assert set(model.fingerprints) == {*federation.departments, *federation.banks}
    card = ModelCard.from_json(model.card)
    assert (card.purpose, card.model_version) == ("kept going", model.version)
    assert {block.title for block in card.blocks} == {federation.titles[block.participant_id] for block in card.blocks}
    files = RunDirectory.of(bureau.directory, plan.run_id)
    assert (files.directory / "progress").read_text().count('"round"') == 3
    result = files.result()
    assert result is not None
    assert result["scores"] == {}


def test_the_plan_goes_to_whoever_is_there_while_another_is_waited_for(
    tmp_path: Path, federation: FoundedFederation, plan: RunPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    land, asked = ParticipantId("land"), set[str]()
    monkeypatch.setattr(setup, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(server_app, "CONNECT_SECONDS", 0.1)
    files = RunDirectory.of(tmp_path, plan.run_id)
    files.write_plan(plan, ConductSettings(approval_seconds=60.0, score_applicants=False))
    add_progress = RunDirectory.add_progress

    def arrive(files: RunDirectory, line: str) -> None:
        add_progress(files, line)
        if '"lost":{"land":' in line and not asked:
            asked.update(recorded)
            grid.revive(land)

    recorded: list[str] = []
    monkeypatch.setattr(RunDirectory, "add_progress", arrive)
    with LocalGrid(federation.homes, recorder=lambda _s, to, _k, _p, _n: recorded.append(to)) as grid:
        grid.kill(land)
        conduct_of_bureau(grid, {"run": plan.run_id, "resume": True}, tmp_path)
    assert {*federation.departments, *federation.banks} - {land} <= asked
    assert files.result() is not None


@pytest.mark.parametrize("moment", range(20))
def test_a_bureau_that_is_killed_at_any_write_ends_with_one_model(
    moment: int, bureau: Bureau, finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    bureau.act = ends_as(finished)
    bureau.records.propose(replace(finished.plan, run_id="run-killed"))
    left = moment

    def dying(act: Callable[..., Any]) -> Callable[..., Any]:
        """Die before or after the act whose turn it is."""

        def acting(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            for when in (False, True):
                if left == 0:
                    left -= 1
                    raise Killed
                left -= 1
                if not when:
                    done = act(*arguments, **named)
            return done

        return acting

    writes = ((RunRecords, "change"), (RunDirectory, "write"), (ModelRegistry, "propose"), (Bureau, "start"))
    with monkeypatch.context() as patch:
        for owner, name in writes:
            patch.setattr(owner, name, dying(getattr(owner, name)))
        for _ in range(8):
            with suppress(Killed):
                bureau.keeper().step()
    (record,) = bureau.records.all()
    assert record.state is RunState.FINISHED
    assert len(bureau.registry.models()) == 1
    assert set(bureau.started) == {"run-killed"}
    assert len(bureau.started) <= 2


def without(part: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda metrics: {name: value for name, value in metrics.items() if name != part}


SPOILT: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "no defaults": without("defaults"),
    "no area under the curve": without("auc"),
    "no rows": lambda metrics: metrics | {"rows": 0, "defaults": 0},
}


@pytest.mark.parametrize("how", SPOILT)
def test_metrics_that_are_none_fail_their_run_and_no_other(how: str, bureau: Bureau, finished: FinishedRun) -> None:
    spoilt = {name: SPOILT[how](finished.result["metrics"][name]) for name in ("training", "held_out")}

    def act(directory: Path, run: str) -> None:
        ends_as(finished)(directory, run)
        if run == "run-spoilt":
            RunDirectory.of(directory, run).write_json("result", finished.result | {"metrics": spoilt, "ended_at": ""})

    bureau.act = act
    for run in ("run-spoilt", "run-sound"):
        bureau.records.propose(replace(finished.plan, run_id=run))
        bureau.clock.seconds += 1
    for _ in range(6):
        bureau.keeper().step()
    spoilt_one, sound = bureau.records.all()
    assert (spoilt_one.state, sound.state) == (RunState.FAILED, RunState.FINISHED)
    assert "no model can be made" in (spoilt_one.reason or "")
    assert len(bureau.registry.models()) == 1


def test_a_fault_over_one_run_does_not_hold_up_the_others(bureau: Bureau, finished: FinishedRun) -> None:
    def act(directory: Path, run: str) -> None:
        if run == "run-faulty":
            raise RuntimeError("nobody thought of this")
        ends_as(finished)(directory, run)

    bureau.act = act
    for run in ("run-faulty", "run-sound"):
        bureau.records.propose(replace(finished.plan, run_id=run))
        bureau.clock.seconds += 1
    for _ in range(6):
        bureau.keeper().step()
    assert [record.state for record in bureau.records.all()] == [RunState.STARTING, RunState.FINISHED]


def test_a_database_that_is_down_fails_no_run(
    bureau: Bureau, finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise DatabaseUnusable("it is down")

    bureau.act = ends_as(finished)
    bureau.records.propose(finished.plan)
    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, "propose", down)
        assert bureau.passes(6).state is RunState.RECORDING
    assert bureau.passes(1).state is RunState.FINISHED


OUTCOMES: dict[str, tuple[dict[str, Any], RunState, int]] = {
    "somebody wants no part in it": ({"code": "RunRefused"}, RunState.REFUSED, 1),
    "too few rows": ({"code": "ProtectionUnavailable"}, RunState.FAILED, 1),
    "nobody approved": ({"error": "ApprovalsMissing"}, RunState.FAILED, 1),
    "masks that were used": ({"code": "MaskContextReused"}, RunState.FAILED, MAXIMUM_ATTEMPTS),
    "lost": ({"error": "ParticipantsLost"}, RunState.FAILED, 1),
}


@pytest.mark.parametrize("why", OUTCOMES)
def test_what_becomes_of_a_run_that_stops_in_its_set_up_every_time(why: str, bureau: Bureau, plan: RunPlan) -> None:
    failure, state, attempts = OUTCOMES[why]
    bureau.fails(**failure)
    bureau.records.propose(plan)
    record = bureau.passes(3 * MAXIMUM_ATTEMPTS + 4)
    assert (record.state, record.attempt, record.reason) == (state, attempts, "why")
    assert sorted(set(bureau.started)) == sorted(plan.as_attempt(number).run_id for number in range(1, attempts + 1))
    assert len(bureau.started) <= max(attempts, MAXIMUM_RESTARTS + 1)


def test_a_run_waits_for_participants_that_are_not_connected(bureau: Bureau, plan: RunPlan) -> None:
    bureau.fails(error="DirectoryIncomplete")
    bureau.records.propose(plan)
    assert bureau.passes(30).state in {RunState.STARTING, RunState.RUNNING}
    bureau.clock.seconds += 61
    assert bureau.passes(30).state is RunState.FAILED


def test_a_run_for_which_somebody_is_waited_for_in_vain_is_given_up(bureau: Bureau, plan: RunPlan) -> None:
    bureau.fails(error="ParticipantsLost")
    bureau.records.propose(plan)
    bureau.passes(2)
    bureau.clock.seconds += 61  # as long as approvals may take, which the server app has waited for
    record = bureau.passes(1)
    assert (record.state, len(bureau.started)) == (RunState.FAILED, 1)


def test_a_run_that_gets_on_is_taken_up_as_often_as_it_takes(bureau: Bureau, finished: FinishedRun) -> None:
    bureau.records.propose(finished.plan)
    end = ends_as(finished)

    def act(directory: Path, run: str) -> None:
        """Each time a round more."""
        end(directory, run)
        files = RunDirectory.of(directory, run)
        files.remove("result")
        if len(bureau.started) > 3:
            end(directory, run)

    bureau.act = act
    assert bureau.passes(12).state is RunState.FINISHED
    assert set(bureau.started) == {finished.plan.run_id}


def test_a_run_that_is_conducted_is_not_started_again(bureau: Bureau, plan: RunPlan) -> None:
    bureau.records.propose(plan)
    bureau.passes(1)
    with RunDirectory.of(bureau.directory, plan.run_id).conducting():
        assert bureau.passes(4).state is RunState.RUNNING
    assert bureau.started == []


def test_a_run_that_flower_believes_alive_and_nobody_conducts_is_started_again(bureau: Bureau, plan: RunPlan) -> None:
    bureau.status_of_all = "running"
    bureau.records.propose(plan)
    keeper = bureau.keeper()
    for _ in range(4):
        keeper.step()
    assert len(bureau.started) == 1
    bureau.clock.seconds += SILENT_SECONDS
    for _ in range(2):
        keeper.step()
    assert len(bureau.started) == 2


def test_a_superlink_that_is_down_holds_up_a_run_and_ends_nothing(bureau: Bureau, plan: RunPlan) -> None:
    def down(_directory: Path, _run: str) -> None:
        raise LinkFailed("it is down")

    bureau.act = down
    bureau.records.propose(plan)
    record = bureau.passes(10)
    assert (record.state, record.restarts) == (RunState.STARTING, 0)


def test_a_run_is_proposed_once_and_under_a_plain_name(bureau: Bureau, plan: RunPlan) -> None:
    bureau.records.propose(plan)
    bureau.records.propose(plan)
    assert len(bureau.records.all()) == 1
    with pytest.raises(PeerError, match="another plan"):
        bureau.records.propose(replace(plan, ridge=1.0))
    with pytest.raises(PeerError, match="later attempt"):
        bureau.records.propose(plan.as_attempt(2))
