"""The bureau's Flower app: it conducts the run that its configuration names, and nothing else.

Run configuration:

    run        the run's id; its files are below `runs/` of the bureau's directory (`run_directory.py`), which the
               environment variable YURONG_BUREAU names
    resume     whether the run may have been begun before; it then goes on from wherever it stopped

A run that stops says why in its file `failure`, and writes what came of it into `result`. Simulations have an app of
their own (`simulations/simulated_run.py`), which conducts a run in the same way and keeps its files elsewhere.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.app.user_config import UserConfig
from flwr.serverapp import Grid, ServerApp

from coordinator.errors import ParticipantRefused
from coordinator.flower.bus import Bus, SystemClock, find_participants
from coordinator.runs.conduct import Conductor, Watch, news_line
from coordinator.runs.run_directory import BUREAU_VARIABLE, ConductSettings, RunDirectory
from crypto.errors import ProtectionUnavailable, YurongError
from models.wire.app_bundle import RESUME_KEY, RUN_KEY
from models.wire.plan import RunPlan

CONNECT_SECONDS = 120.0

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Conduct the run that the configuration names."""
    conduct_of_bureau(grid, context.run_config, _bureau_directory())


def conduct_of_bureau(grid: Grid, config: UserConfig, bureau: Path) -> None:
    """Conduct a run of a bureau, whose directory is `bureau`; raises a `YurongError` if it comes to no end."""
    files = RunDirectory.of(bureau, str(config[RUN_KEY]))
    with files.conducting():
        if files.result() is not None:
            return
        files.remove("failure")
        try:
            result = _conduct(grid, files, resume=bool(config[RESUME_KEY]))
        except YurongError as fault:
            files.write_json("failure", failure_facts(fault))
            raise
        ended_at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
        files.write_json("result", result | {"ended_at": ended_at})


def failure_facts(fault: YurongError) -> dict[str, Any]:
    """What is kept of an error that ended a run: its class, its one line, and who refused with which code."""
    facts = {"error": type(fault).__name__, "message": fault.message, "participant": "", "code": ""}
    if isinstance(fault, ParticipantRefused):
        facts |= {"participant": fault.participant, "code": fault.code}
    return facts


def _conduct(grid: Grid, files: RunDirectory, *, resume: bool) -> dict[str, Any]:
    plan = files.plan()

    def watch(news: dict[str, Any]) -> None:
        files.add_progress(news_line(news))

    conductor = conductor_on(grid, files, plan, files.settings(), watch)
    return conductor.go_on(plan) if resume else conductor.run(plan)


def conductor_on(grid: Grid, files: RunDirectory, plan: RunPlan, settings: ConductSettings, watch: Watch) -> Conductor:
    """What conducts a run on a grid; raises `DirectoryIncomplete` for one of which somebody does not come."""
    if settings.approval_seconds == 0.0 or files.introduction() is not None:
        wait = max(CONNECT_SECONDS, settings.patience_seconds)
        find_participants(grid, {*plan.department_ids, *plan.bank_ids}, deadline_seconds=wait)
    # Else the plan goes to whoever is there: people may look at it while others are waited for (`setup.gather`).
    return Conductor(bus=Bus(grid, {}), directory=files.directory, clock=SystemClock(), watch=watch, settings=settings)


def _bureau_directory() -> Path:
    directory = os.environ.get(BUREAU_VARIABLE)
    if not directory:
        raise ProtectionUnavailable(f"{BUREAU_VARIABLE} does not name the bureau's directory")
    return Path(directory)
