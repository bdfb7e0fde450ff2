"""Plans that make no sense, and the two bounds without which nothing starts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage, ProtectionUnavailable
from models.wire.plan import RunPlan, require_enough_departments, require_enough_rows

PLAN = RunPlan(
    run_id="run-1",
    purpose="credit",
    departments=("courts", "land", "tax"),
    banks=("bank-1", "bank-2"),
    maximum_rounds=8,
    tolerance=1e-8,
    block="binned",
    maximum_bins=16,
    parameter_limit=100,
    smoothness=10.0,
    ridge=6.0,
)


def test_a_plan_comes_back_and_every_change_of_it_has_another_digest() -> None:
    assert RunPlan.decode(PLAN.encode()) == PLAN
    others = [replace(PLAN, ridge=6.1), replace(PLAN, banks=("bank-1",)), replace(PLAN, run_id="run-2")]
    assert len({plan.digest() for plan in (PLAN, *others)}) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"departments": ("tax", "courts", "land")},
        {"departments": ("courts", "land", "land")},
        {"departments": ()},
        {"banks": ()},
        {"banks": ("bank-1", "tax")},
        {"run_id": "Run/../1"},
        {"run_id": "run-1\n"},
        {"run_id": "run-1-a2-a3"},
        {"banks": ("../../run-0/cohort/bank-1", "bank-2")},
        {"departments": ("Courts", "land", "tax")},
        {"maximum_rounds": 0},
        {"maximum_rounds": 65},
        {"ridge": 0.0},
        {"smoothness": float("nan")},
        {"tolerance": float("inf")},
        {"block": "deep"},
        {"maximum_bins": 1},
        {"purpose": ""},
        {"purpose": "credit\nAt most 1 round"},
        {"purpose": "credit\x1b[1A\x1b[2K"},
        {"purpose": "credit \u202edesrever"},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        RunPlan.decode(replace(PLAN, **changes).encode())  # type: ignore[arg-type]  # that is what is tested


@given(st.integers(1, 64), st.integers(1, 1000))
def test_ten_rows_are_needed_for_each_number_that_a_department_learns(rounds: int, parameters: int) -> None:
    needed = 10 * rounds * parameters
    require_enough_rows(training_rows=needed, rounds=rounds, largest_block=parameters)
    with pytest.raises(ProtectionUnavailable):
        require_enough_rows(training_rows=needed - 1, rounds=rounds, largest_block=parameters)


def test_a_masked_sum_needs_three_departments() -> None:
    require_enough_departments(3)
    with pytest.raises(ProtectionUnavailable):
        require_enough_departments(2)
