"""A run in this process with whatever may go wrong, and with somebody who looks on after every round.

`simulations/run_federation.py` runs a federation as a user does, through the bureau's app. Here the run can be
disturbed: by faults that strike messages, and by `watch`, which may end or restart participants between two rounds,
or raise to stop the bureau itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flwr.clientapp import ClientApp

from coordinator.flower.bus import Bus, SystemClock, find_participants
from coordinator.runs.conduct import Conductor
from coordinator.runs.run_directory import ConductSettings
from models.wire.plan import RunPlan
from participants.flower.client_app import app as participants_app
from simulations.adversaries.curious_bureau import CuriousBureau
from simulations.engines.faults import Fault
from simulations.engines.local_grid import LocalGrid, Recorder
from simulations.founding import FoundedFederation

Watch = Callable[[LocalGrid, dict[str, Any]], None]

RETRY_SECONDS: Final = 0.02
DEADLINE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run that came to its end, and all that the bureau saw of it."""

    federation: FoundedFederation
    plan: RunPlan
    result: dict[str, Any]
    bureau: CuriousBureau

    @property
    def rounds(self) -> int:
        """How many rounds it had."""
        return len(self.result["rounds"])

    @property
    def objectives(self) -> list[float]:
        """The objective after each round."""
        return [record["objective"] for record in self.result["rounds"]]


def observe(federation: FoundedFederation, plan: RunPlan, **disturbances: Any) -> FinishedRun:
    """`rehearse` with a bureau that keeps everything."""
    bureau = CuriousBureau()
    result = rehearse(federation, plan, recorder=bureau, **disturbances)
    return FinishedRun(federation=federation, plan=plan, result=result, bureau=bureau)


def rehearse(
    federation: FoundedFederation,
    plan: RunPlan,
    *,
    faults: Sequence[Fault] = (),
    watch: Watch = lambda _grid, _news: None,
    recorder: Recorder | None = None,
    client_app: ClientApp = participants_app,
    resume: bool = False,
    deadline_seconds: float = DEADLINE_SECONDS,
    approval_seconds: float = 0.0,
) -> dict[str, Any]:
    """Conduct `plan`, or go on with it where it stopped, and return the bureau's result; what it raises comes out.

    `watch` is given the grid and each piece of news of the bureau, in the bureau's own thread.
    """
    with LocalGrid(federation.homes, faults=faults, recorder=recorder, client_app=client_app) as grid:
        nodes = find_participants(grid, {*plan.department_ids, *plan.bank_ids}, deadline_seconds=DEADLINE_SECONDS)
        conductor = Conductor(
            bus=Bus(grid, nodes, retry_seconds=RETRY_SECONDS),
            directory=federation.directory / "bureau" / plan.run_id,
            clock=SystemClock(),
            watch=lambda news: watch(grid, news),
            settings=ConductSettings(deadline_seconds=deadline_seconds, approval_seconds=approval_seconds),
        )
        return conductor.resume() if resume else conductor.run(plan)
