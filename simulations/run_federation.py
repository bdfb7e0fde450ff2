"""Running a federation on one of the two engines: the same pair of apps, in this process or on Flower's own daemons."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flwr.app.user_config import UserConfig

from models.binning import DEFAULT_MAXIMUM_BINS
from models.penalties import DEFAULT_RIDGE, DEFAULT_SMOOTHNESS
from models.wire.plan import RunPlan
from simulations.command.choices import Engine
from simulations.engines.deployment import run_on_flower
from simulations.engines.local_grid import Recorder, run_in_process
from simulations.founding import FoundedFederation
from simulations.simulated_run import app

News = Callable[[dict[str, Any]], None]

SERVER_APP = "simulations.simulated_run:app"
EXCHANGE_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """Settings of training that suit a data set."""

    maximum_rounds: int
    parameter_limit: int
    tolerance: float = 2e-9
    maximum_bins: int = DEFAULT_MAXIMUM_BINS
    smoothness: float = DEFAULT_SMOOTHNESS
    ridge: float = DEFAULT_RIDGE
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
    engine: Engine = Engine.LOCAL,
    recorder: Recorder | None = None,
    news: News = lambda _: None,
) -> dict[str, Any]:
    """Conduct `plan` and return the bureau's result. Raises a `YurongError` if the run comes to no end.

    Only the engine in this process shows its traffic to a `recorder`.
    """
    bureau = federation.directory / "bureau" / plan.run_id
    bureau.mkdir(mode=0o700, parents=True)
    (bureau / "plan").write_bytes(plan.encode())
    return _conduct(federation, bureau, resume=False, engine=engine, recorder=recorder, news=news)


def resume_federation(
    federation: FoundedFederation,
    run_id: str,
    *,
    engine: Engine = Engine.LOCAL,
    recorder: Recorder | None = None,
    news: News = lambda _: None,
) -> dict[str, Any]:
    """Take up a stopped run after its last finished round; as `run_federation` otherwise."""
    bureau = federation.directory / "bureau" / run_id
    return _conduct(federation, bureau, resume=True, engine=engine, recorder=recorder, news=news)


def _conduct(
    federation: FoundedFederation,
    bureau: Path,
    *,
    resume: bool,
    engine: Engine,
    recorder: Recorder | None,
    news: News,
) -> dict[str, Any]:
    config: UserConfig = {
        "bureau-directory": str(bureau),
        "resume": resume,
        "deadline-seconds": EXCHANGE_SECONDS,
    }

    def progress(line: str) -> None:
        news(json.loads(line))

    if Engine(engine) is Engine.FLOWER:  # a bare string is no other engine by mistake
        directory = bureau / f"flower-{secrets.token_hex(4)}"
        data = run_on_flower(SERVER_APP, federation.homes, config, directory=directory, progress=progress)
    else:
        data = run_in_process(app, federation.homes, config, directory=bureau, recorder=recorder, progress=progress)
    result: dict[str, Any] = json.loads(data)
    return result
