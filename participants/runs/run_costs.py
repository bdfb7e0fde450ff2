"""What runs have cost a participant so far, as its own disk has counted it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crypto.identifiers import RunId
from participants.runs.run_store import RunStore

OPENED: Final = "opened"
"""At a bank, what a run keeps of the numbers that it opened: `given`, and `reserved` for an attempt, by department."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """What runs have given away.

    `numbers_opened`: at a bank, how many numbers about its residuals it opened for each department. `rounds_answered`:
    at a department, in how many rounds it took part in the sums that banks see, one for each row of their cohorts.
    """

    runs: int
    numbers_opened: dict[str, int]
    rounds_answered: int


def cost_of(runs: Path, run_ids: Iterable[RunId]) -> RunCost:
    """The cost of the runs of these ids, whose folders are in `runs`; those that came to no round cost nothing."""
    opened: dict[str, int] = {}
    trained = [run_id for run_id in run_ids if came_to_rounds(runs, run_id)]
    for run_id in trained:
        store = RunStore(runs, run_id)
        for department, count in opened_numbers(store.read_facts(OPENED)).items() if store.has(OPENED) else ():
            opened[department] = opened.get(department, 0) + count
    rounds = sum(len(list((runs / run_id / "sets").glob("[0-9]*"))) for run_id in trained)
    return RunCost(runs=len(trained), numbers_opened=opened, rounds_answered=rounds)


def opened_numbers(facts: dict[str, Any]) -> dict[str, int]:
    """How many numbers a bank has opened in a run, by department: those given, and those that may yet be."""
    given, reserved = facts["given"], facts["reserved"]
    return {name: given.get(name, 0) + reserved.get(name, 0) for name in sorted({*given, *reserved})}


def came_to_rounds(runs: Path, run_id: RunId) -> bool:
    """Whether a run has come so far here that training may have told something about this participant."""
    at_a_bank, at_a_department = runs / run_id / OPENED, runs / run_id / "residuals"
    return at_a_bank.is_file() or at_a_department.is_dir()
