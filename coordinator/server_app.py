"""The bureau's Flower app. It runs unchanged on a SuperLink and on the grid in one process.

Run configuration:

    plan-path            the plan, as `RunPlan.encode` wrote it
    bureau-directory     where the checkpoint is kept
    resume               take up the run of that directory after its last finished round
    deadline-seconds     how long one exchange with the participants may take
    result-path          where the result goes, as JSON, in one step
    progress-path        a file to which a line of JSON is added for each phase and round
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.app.user_config import UserConfig
from flwr.serverapp import Grid, ServerApp

from coordinator.bus import Bus, SystemClock, find_participants
from coordinator.checkpoint import CheckpointStore
from coordinator.conduct import Conductor, news_line
from models.wire.plan import RunPlan

CONNECT_SECONDS = 120.0

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Conduct the run that the configuration describes."""
    conduct_on(grid, context.run_config)


def conduct_on(grid: Grid, config: UserConfig) -> None:
    """Conduct a run over `grid`; raises a `YurongError` if it comes to no end."""
    directory = Path(str(config["bureau-directory"]))
    resume = bool(config["resume"])
    plan = (
        CheckpointStore(directory).load().run_plan()
        if resume
        else RunPlan.decode(Path(str(config["plan-path"])).read_bytes())
    )
    expected = {*plan.department_ids, *plan.bank_ids}
    nodes = find_participants(grid, expected, deadline_seconds=CONNECT_SECONDS)
    progress = Path(str(config["progress-path"]))

    def watch(news: dict[str, Any]) -> None:
        with progress.open("a", encoding="utf-8") as lines:
            lines.write(news_line(news) + "\n")

    conductor = Conductor(
        bus=Bus(grid, nodes),
        directory=directory,
        clock=SystemClock(),
        watch=watch,
        deadline_seconds=float(config["deadline-seconds"]),
    )
    result = conductor.resume() if resume else conductor.run(plan)
    path = Path(str(config["result-path"]))
    draft = path.with_name(path.name + ".draft")
    draft.write_text(json.dumps(result), encoding="utf-8")
    draft.replace(path)
