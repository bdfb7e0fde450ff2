"""The bureau's Flower app. It runs unchanged on a SuperLink and on the grid in one process.

Run configuration:

    run        the run's id; its files are below `runs/` of the bureau's directory (`run_directory.py`), which the
               environment variable YURONG_BUREAU names
    resume     whether the run may have been begun before; it then goes on from wherever it stopped

A run that stops says why in its file `failure`, and writes what came of it into `result`. Simulations keep the files
of a run elsewhere; its settings (`run_settings.py`) then name them: `bureau-directory` (of the run), `plan-path`,
`result-path` and `progress-path`, and how long one exchange may take, `deadline-seconds`.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.app.user_config import UserConfig
from flwr.serverapp import Grid, ServerApp

from coordinator.errors import NothingToResume, ParticipantRefused
from coordinator.flower.bus import Bus, SystemClock, find_participants
from coordinator.runs.checkpoint import CheckpointStore
from coordinator.runs.conduct import Conductor, Watch, news_line
from coordinator.runs.run_directory import ConductSettings, RunDirectory
from coordinator.runs.run_settings import BUREAU_VARIABLE, read_run_settings, run_directory
from crypto.errors import ProtectionUnavailable, YurongError
from models.wire.app_bundle import RESUME_KEY, RUN_KEY
from models.wire.plan import RunPlan

CONNECT_SECONDS = 120.0
SETTINGS_FILE = "settings.json"

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Conduct the run that the configuration names."""
    bureau, config = _bureau_directory(), context.run_config
    if (run_directory(bureau, str(config[RUN_KEY])) / SETTINGS_FILE).is_file():
        conduct_on(grid, read_run_settings(config))
    else:
        conduct_of_bureau(grid, config, bureau)


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


def conduct_on(grid: Grid, config: UserConfig) -> None:
    """Conduct a run whose files its settings name; raises a `YurongError` if it comes to no end."""
    files = RunDirectory(Path(str(config["bureau-directory"])))
    resume, result_path = bool(config["resume"]), Path(str(config["result-path"]))
    if resume and not CheckpointStore(files.directory).exists:
        raise NothingToResume(files.directory)
    progress = Path(str(config["progress-path"]))

    def watch(news: dict[str, Any]) -> None:
        with progress.open("a", encoding="utf-8") as lines:
            lines.write(news_line(news) + "\n")

    settings = replace(files.settings(), deadline_seconds=float(config["deadline-seconds"]))
    conductor = _conductor(grid, files, files.plan(), settings, watch)
    result = conductor.resume() if resume else conductor.run(files.plan())
    RunDirectory(result_path.parent).write_json(result_path.name, result)


def _conduct(grid: Grid, files: RunDirectory, *, resume: bool) -> dict[str, Any]:
    plan = files.plan()

    def watch(news: dict[str, Any]) -> None:
        files.add_progress(news_line(news))

    conductor = _conductor(grid, files, plan, files.settings(), watch)
    return conductor.go_on(plan) if resume else conductor.run(plan)


def _conductor(grid: Grid, files: RunDirectory, plan: RunPlan, settings: ConductSettings, watch: Watch) -> Conductor:
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
