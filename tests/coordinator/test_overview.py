"""What the bureau's operator is shown, of a home in whatever state."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from coordinator import overview
from coordinator.database import open_database
from coordinator.flower.refused_nodes import RefusedNodes
from coordinator.home import BureauHome
from coordinator.overview import bureau_status, run_rows
from coordinator.runs.run_directory import RunDirectory
from coordinator.runs.run_records import RunRecords, RunState
from crypto.identifiers import ParticipantId, Role
from models.hosting.storage.database import Database
from models.wire.plan import RunPlan
from simulations.founding import FoundedFederation
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS


@pytest.fixture
def home(tmp_path: Path) -> BureauHome:
    return BureauHome.create(
        tmp_path / "bureau",
        participant_id=ParticipantId("bureau"),
        role=Role.BUREAU,
        title="Bureau",
        address="https://127.0.0.1:1",
    )


@pytest.fixture
def plan(home: BureauHome, federation: FoundedFederation) -> RunPlan:
    """A run that is under way."""
    plan = plan_run(federation, SETTINGS, purpose="to be looked at")
    with closing(open_database(home)) as database:
        records = RunRecords(database, clock=home.clock)
        records.change(records.propose(plan), state=RunState.RUNNING, attempt=1)
    return plan


def test_a_line_that_was_cut_off_hides_no_run(home: BureauHome, plan: RunPlan) -> None:
    files = RunDirectory.of(home.directory, plan.run_id)
    files.add_progress('{"phase":"join"}')
    files.add_progress('{"pending":["tax"],"lost":{"land":"not-connected"}}')
    files.add_progress('{"pha')
    (row,) = run_rows(home)
    assert (row["phase"], row["waits_for"], row["not_reached"]) == ("join", ["tax"], ["land (not-connected)"])


def test_to_look_makes_nothing(home: BureauHome, plan: RunPlan) -> None:
    assert run_rows(home)[0]["phase"] == ""
    assert not (home.runs / plan.run_id).exists()


def test_the_database_is_opened_once_and_closed(
    home: BureauHome, plan: RunPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def opened(home: BureauHome) -> Database:
        calls.append("open")
        return open_database(home)

    def closed(self: Database) -> None:
        calls.append("close")
        close(self)

    close = Database.close
    monkeypatch.setattr(overview, "open_database", opened)
    monkeypatch.setattr(Database, "close", closed)
    assert bureau_status(home)["runs_open"] == [plan.run_id]
    assert calls == ["open", "close"]
    run_rows(home)
    assert calls == ["open", "close"] * 2


def test_nodes_that_flower_does_not_take_are_named(home: BureauHome) -> None:
    (home.directory / "superlink").mkdir()
    assert bureau_status(home)["nodes_refused"] == []
    RefusedNodes(home.directory).write(["tax", "courts"])
    assert bureau_status(home)["nodes_refused"] == ["courts", "tax"]
    RefusedNodes(home.directory).write([])
    assert bureau_status(home)["nodes_refused"] == []
