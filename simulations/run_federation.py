"""Running a federation on one of the two engines: the same pair of apps, in this process or on Flower's own daemons."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flwr.app import Context, RecordDict
from flwr.app.user_config import UserConfig

from coordinator.server_app import app
from models.wire.plan import RunPlan
from simulations.engines.deployment import run_on_flower
from simulations.engines.local_grid import RUN_ID, TASK_ID, LocalGrid, Recorder
from simulations.founding import FoundedFederation

Engine = Literal["local", "flower"]
News = Callable[[dict[str, Any]], None]

SERVER_APP = "coordinator.server_app:app"
EXCHANGE_SECONDS = 300.0
FOLLOW_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """Settings of training that suit a data set."""

    maximum_rounds: int
    parameter_limit: int
    tolerance: float = 1e-8
    maximum_bins: int = 32
    smoothness: float = 10.0
    ridge: float = 6.0
    block: Literal["binned", "linear"] = "binned"


def plan_run(federation: FoundedFederation, settings: Hyperparameters, *, purpose: str) -> RunPlan:
    """A new run of everybody."""
    return RunPlan(
        run_id=f"run-{secrets.token_hex(4)}",
        purpose=purpose,
        departments=federation.departments,
        banks=federation.banks,
        maximum_rounds=settings.maximum_rounds,
        tolerance=settings.tolerance,
        block=settings.block,
        maximum_bins=settings.maximum_bins,
        parameter_limit=settings.parameter_limit,
        smoothness=settings.smoothness,
        ridge=settings.ridge,
    )


def run_federation(
    federation: FoundedFederation,
    plan: RunPlan,
    *,
    engine: Engine = "local",
    recorder: Recorder | None = None,
    news: News = lambda _: None,
) -> dict[str, Any]:
    """Conduct `plan` and return the bureau's result. Raises a `YurongError` if the run comes to no end.

    Only the engine in this process shows its traffic to a `recorder`.
    """
    bureau = federation.directory / "bureau"
    bureau.mkdir(mode=0o700, exist_ok=True)
    (bureau / "plan").write_bytes(plan.encode())
    config: UserConfig = {
        "plan-path": str(bureau / "plan"),
        "bureau-directory": str(bureau),
        "resume": False,
        "deadline-seconds": EXCHANGE_SECONDS,
    }
    if engine == "flower":
        data = run_on_flower(
            SERVER_APP,
            federation.homes,
            config,
            directory=federation.directory / "flower",
            progress=lambda line: news(json.loads(line)),
        )
        result: dict[str, Any] = json.loads(data)
        return result
    return _run_here(federation, config, recorder, news)


def _run_here(
    federation: FoundedFederation, config: UserConfig, recorder: Recorder | None, news: News
) -> dict[str, Any]:
    bureau = federation.directory / "bureau"
    local: UserConfig = {
        **config,
        "result-path": str(bureau / "result.json"),
        "progress-path": str(bureau / "progress.jsonl"),
    }
    with LocalGrid(federation.homes, recorder=recorder) as grid, _followed(bureau / "progress.jsonl", news):
        app(grid=grid, context=Context(RUN_ID, TASK_ID, {}, RecordDict(), local))
    result: dict[str, Any] = json.loads(Path(str(local["result-path"])).read_bytes())
    return result


@contextmanager
def _followed(path: Path, news: News) -> Iterator[None]:
    """Pass on each line of JSON that is added to a file, until the context ends."""
    path.write_bytes(b"")
    ended = threading.Event()
    follower = threading.Thread(target=_follow, args=(path, news, ended), name="progress", daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _follow(path: Path, news: News, ended: threading.Event) -> None:
    with path.open(encoding="utf-8") as lines:
        while True:
            last = ended.is_set()
            for line in lines:
                news(json.loads(line))
            if last:
                return
            ended.wait(FOLLOW_SECONDS)
