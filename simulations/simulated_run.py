"""The bureau's Flower app in simulations. It runs unchanged on a SuperLink and on the grid in one process.

The bureau's own (`coordinator/flower/server_app.py`) knows the files of a run by its name. Here the run's settings
(`engines/run_settings.py`) name them, `bureau-directory` (of the run), `result-path` and `progress-path`, and how long
one exchange may take, `deadline-seconds`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.app.user_config import UserConfig
from flwr.serverapp import Grid, ServerApp

from coordinator.errors import NothingToResume
from coordinator.flower.server_app import conductor_on
from coordinator.runs.checkpoint import CheckpointStore
from coordinator.runs.conduct import news_line
from coordinator.runs.run_directory import RunDirectory
from simulations.engines.run_settings import read_run_settings

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Conduct the run that the configuration names."""
    conduct_on(grid, read_run_settings(context.run_config))


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
    conductor = conductor_on(grid, files, files.plan(), settings, watch)
    result = conductor.resume() if resume else conductor.run(files.plan())
    RunDirectory(result_path.parent).write_json(result_path.name, result)
