"""After the alignment a department knows which row of a cohort is which of its enterprises, and of no other row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coordinator.errors import ParticipantRefused
from models.wire.setup import CohortOrder
from participants.department.aligner import ABSENT, MAXIMUM_COHORT_ROWS
from participants.department.store import DepartmentStore
from simulations.comparison import PooledRun
from simulations.founding import FoundedFederation
from simulations.rehearsal import FinishedRun, rehearse
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS


def test_every_row_is_the_enterprise_that_the_bank_means(finished: FinishedRun) -> None:
    pooled = PooledRun(finished.federation, finished.plan.run_id, rounds=finished.rounds)
    for department in finished.federation.departments:
        ids = DepartmentStore(finished.federation.homes[department] / "data").enterprise_ids()
        for bank, cohort in pooled.cohorts.items():
            rows = pooled.runs[department].store.read_arrays(f"cohort/{bank}")["rows"]
            found = [ids[row] if row != ABSENT else None for row in rows]
            assert found == [one if one in set(ids) else None for one in cohort.enterprise_ids]


@pytest.mark.parametrize("fault", ["an enterprise that was not offered", "too many rows"])
def test_an_order_that_cannot_be_is_refused(
    federation: FoundedFederation, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = CohortOrder.of

    def wrong(**fields: Any) -> CohortOrder:
        if fault == "too many rows":
            return replace(honest(**fields), rows=MAXIMUM_COHORT_ROWS + 1)
        return honest(rows=fields["rows"], positions=np.array([0]), tags=bytes(16))

    monkeypatch.setattr(CohortOrder, "of", wrong)
    with pytest.raises(ParticipantRefused, match="refused: PeerError"):
        rehearse(federation, plan_run(federation, SETTINGS, purpose="orders"))
