"""The runs of a bureau and how far each has come, as the table `runs` of its database keeps them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import RowMapping, select, update
from sqlalchemy.dialects import postgresql, sqlite

from coordinator.database.tables import runs
from crypto.errors import PeerError
from crypto.identifiers import RunId
from models.hosting.clock import Clock, SystemClock
from models.hosting.storage.database import Database
from models.wire.plan import RunPlan


class RunState(StrEnum):
    """Where a run stands with the bureau."""

    PROPOSED = "proposed"
    STARTING = "starting"
    RUNNING = "running"
    RECORDING = "recording"
    FINISHED = "finished"
    REFUSED = "refused"
    FAILED = "failed"


OPEN: Final = frozenset({RunState.PROPOSED, RunState.STARTING, RunState.RUNNING, RunState.RECORDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run. Times are seconds since 1970.

    `attempt`: of its set-up, from 1; 0 before the first. `restarts`: since its last finished round. `rounds`: how many
    were finished when it was started last. `flower_run`: Flower's id of what was started last.
    """

    run_id: RunId
    proposal: bytes
    state: RunState
    created_at: int
    updated_at: int
    attempt: int = 0
    restarts: int = 0
    rounds: int = 0
    flower_run: int | None = None
    reason: str | None = None

    @property
    def plan(self) -> RunPlan:
        """The plan of its present attempt."""
        return RunPlan.decode(self.proposal).as_attempt(max(1, self.attempt))


class RunRecords:
    """The table in the bureau's database."""

    def __init__(self, database: Database, *, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    def propose(self, plan: RunPlan) -> RunRecord:
        """Take in a run to be conducted; again changes nothing. Raises `PeerError` if its id has another plan."""
        if plan != plan.proposal():
            raise PeerError("a run's id must not look like that of a later attempt")
        now = int(self._clock.now())
        new = RunRecord(
            run_id=plan.run, proposal=plan.encode(), state=RunState.PROPOSED, created_at=now, updated_at=now
        )
        with self._database.begin() as connection:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            connection.execute(insert(runs).on_conflict_do_nothing(), _values(new))
            row = connection.execute(select(runs).where(runs.c.run_id == plan.run)).mappings().one()
        known = _record(row)
        if known.proposal != new.proposal:
            raise PeerError("this run was proposed with another plan", advice="choose another id")
        return known

    def all(self) -> tuple[RunRecord, ...]:
        """All runs, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(runs).order_by(runs.c.created_at, runs.c.run_id)).mappings().all()
        return tuple(_record(row) for row in rows)

    def open(self) -> tuple[RunRecord, ...]:
        """Those that have not come to an end."""
        return tuple(record for record in self.all() if record.state in OPEN)

    def change(self, record: RunRecord, **changes: Any) -> RunRecord:
        """Write what a run has come to; the fields that are named."""
        changed = replace(record, updated_at=int(self._clock.now()), **changes)
        with self._database.begin() as connection:
            connection.execute(update(runs).where(runs.c.run_id == record.run_id).values(**_values(changed)))
        return changed


def _values(record: RunRecord) -> dict[str, object]:
    return {
        "run_id": record.run_id,
        "plan": record.proposal,
        "state": record.state.value,
        "flower_run_id": None if record.flower_run is None else str(record.flower_run),
        "attempts": record.attempt,
        "restarts": record.restarts,
        "rounds": record.rounds,
        "reason": record.reason,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _record(row: RowMapping) -> RunRecord:
    return RunRecord(
        run_id=RunId(row["run_id"]),
        proposal=row["plan"],
        state=RunState(row["state"]),
        flower_run=None if row["flower_run_id"] is None else int(row["flower_run_id"]),
        attempt=row["attempts"],
        restarts=row["restarts"],
        rounds=row["rounds"],
        reason=row["reason"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
