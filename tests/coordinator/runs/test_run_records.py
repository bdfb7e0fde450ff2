"""The runs of a bureau, in either kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from threading import Barrier

import pytest

from coordinator.database import SCHEMA
from coordinator.runs.run_records import RunRecord, RunRecords, RunState
from crypto.errors import PeerError
from models.hosting.storage.database import Database
from models.wire.plan import RunPlan
from simulations.founding import FoundedFederation
from simulations.online_rehearsal import SetClock
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url, SCHEMA)
    database.migrate()
    with closing(database):
        yield database


@pytest.fixture
def plan(federation: FoundedFederation) -> RunPlan:
    return plan_run(federation, SETTINGS, purpose="recorded")


def test_a_run_is_proposed_once_and_under_a_plain_name(database: Database, plan: RunPlan) -> None:
    records = RunRecords(database, clock=SetClock(100))
    first = records.propose(plan)
    assert RunRecords(database, clock=SetClock(200)).propose(plan) == first
    assert records.all() == (first,)
    assert (first.plan, first.state, first.created_at) == (plan.as_attempt(1), RunState.PROPOSED, 100)
    with pytest.raises(PeerError, match="another plan"):
        records.propose(replace(plan, ridge=1.0))
    with pytest.raises(PeerError, match="later attempt"):
        records.propose(plan.as_attempt(2))


def test_what_a_run_has_come_to_is_kept_and_what_has_ended_is_not_open(database: Database, plan: RunPlan) -> None:
    clock = SetClock(100)
    records = RunRecords(database, clock=clock)
    record = records.propose(plan)
    younger = records.propose(replace(plan, run_id="run-younger"))
    clock.seconds = 300
    # Flower's ids have 64 bits and no sign.
    changed = records.change(record, state=RunState.RUNNING, attempt=2, restarts=1, rounds=3, flower_run=2**64 - 1)
    assert records.open() == (changed, younger) or records.open() == (younger, changed)
    assert (changed.created_at, changed.updated_at, changed.plan.run_id) == (100, 300, f"{plan.run_id}-a2")
    ended = records.change(changed, state=RunState.FAILED, reason="why")
    assert records.open() == (younger,)
    assert set(records.all()) == {ended, younger}


def test_a_run_that_several_propose_at_once_is_proposed_once(database: Database, plan: RunPlan) -> None:
    many, runs = 4, [f"run-at-once-{number}" for number in range(25)]
    together = Barrier(many)

    def propose(run: str) -> RunRecord:
        together.wait(30)
        return RunRecords(database).propose(replace(plan, run_id=run))

    with ThreadPoolExecutor(many) as threads:
        for run in runs:
            proposed = [threads.submit(propose, run) for _ in range(many)]
            assert {one.result(30).run_id for one in proposed} == {run}
    assert len(RunRecords(database).all()) == len(runs)
