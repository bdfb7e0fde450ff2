"""What was decided about runs, as the table `approvals` of a participant's database keeps it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import MetaData, Row, Table, func, insert, select, update

from crypto.identifiers import RunId
from models.hosting.storage.database import Database
from models.wire.plan import RunPlan
from participants.runs.approvals_table import approvals_table

_TABLE: Table = approvals_table(MetaData())


class ApprovalState(StrEnum):
    """Where a run stands with this participant."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRecord:
    """One run that was proposed. Times are seconds since 1970.

    `proposal`: its plan, encoded, as of its first attempt. `attempts`: the number of the last attempt that was begun
    here; 0 if none was. `features`: digest of the features that it was decided about; None if they could not be read.
    """

    run_id: RunId
    proposal: bytes
    state: ApprovalState
    seen_at: int
    decided_at: int | None = None
    decided_by: str | None = None
    reason: str | None = None
    attempts: int = 0
    features: bytes | None = None

    @property
    def plan(self) -> RunPlan:
        """The plan that was proposed."""
        return RunPlan.decode(self.proposal)

    def decided(self, state: ApprovalState, *, by: str, at: float, reason: str | None = None) -> ApprovalRecord:
        """This record with a decision."""
        return replace(self, state=state, decided_by=by, decided_at=int(at), reason=reason)


class ApprovalRecords:
    """The table in a participant's database. Changes are made where nobody else changes: see `Approvals`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, run_id: RunId) -> ApprovalRecord | None:
        """The record of a run that was proposed."""
        with self._database.reading() as connection:
            row = connection.execute(select(_TABLE).where(_TABLE.c.run_id == run_id)).one_or_none()
        return None if row is None else _record(row)

    def all(self) -> tuple[ApprovalRecord, ...]:
        """All records, in the order in which they were seen."""
        with self._database.reading() as connection:
            rows = connection.execute(select(_TABLE).order_by(_TABLE.c.seen_at, _TABLE.c.run_id)).all()
        return tuple(_record(row) for row in rows)

    def count(self, state: ApprovalState, *, decided_since: float = 0) -> int:
        """How many runs are in a state that they came to since then."""
        since = func.coalesce(_TABLE.c.decided_at, _TABLE.c.seen_at) >= int(decided_since)
        chosen = select(func.count()).select_from(_TABLE).where(_TABLE.c.state == state.value, since)
        with self._database.reading() as connection:
            return int(connection.execute(chosen).scalar_one())

    def add(self, record: ApprovalRecord) -> None:
        """Keep a run that was not heard of before."""
        with self._database.begin() as connection:
            connection.execute(insert(_TABLE).values(**_values(record)))

    def change(self, before: ApprovalRecord, after: ApprovalRecord) -> bool:
        """Replace a record; False, and nothing is changed, if it is not what it was before."""
        unchanged = (
            (_TABLE.c.run_id == before.run_id)
            & (_TABLE.c.state == before.state.value)
            & (_TABLE.c.attempts == before.attempts)
        )
        with self._database.begin() as connection:
            return connection.execute(update(_TABLE).where(unchanged).values(**_values(after))).rowcount == 1


def _values(record: ApprovalRecord) -> dict[str, object]:
    return {
        "run_id": record.run_id,
        "plan": record.proposal,
        "state": record.state.value,
        "seen_at": record.seen_at,
        "decided_at": record.decided_at,
        "decided_by": record.decided_by,
        "reason": record.reason,
        "attempts": record.attempts,
        "features": record.features,
    }


def _record(row: Row[tuple[object, ...]]) -> ApprovalRecord:
    values = row._mapping  # noqa: SLF001 - its public name; the underscore keeps columns apart
    return ApprovalRecord(
        run_id=RunId(values["run_id"]),
        proposal=values["plan"],
        state=ApprovalState(values["state"]),
        seen_at=values["seen_at"],
        decided_at=values["decided_at"],
        decided_by=values["decided_by"],
        reason=values["reason"],
        attempts=values["attempts"],
        features=None if values["features"] is None else bytes(values["features"]),
    )
