"""What federated training gives on a data set, and what it costs: one object of figures.

The federation is founded in a new directory, trained through the bureau's and participants' apps on the engine in this
process, and then compared with everything pooled in the clear (`simulations/comparison.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.wire.plan import RunPlan
from simulations.comparison import PooledRun, Quality
from simulations.federation_data import FederationData
from simulations.founding import found
from simulations.run_federation import Hyperparameters, News, plan_run, run_federation
from simulations.software import installed_versions

SEED: Final = 42
WITHIN: Final = 1e-4


def measure_training(
    data: FederationData, settings: Hyperparameters, directory: Path, *, news: News = lambda _: None
) -> dict[str, Any]:
    """Found, train and compare; `directory` is new and holds all homes afterwards.

    `auc` and `ks` are of the rows held out. `rounds_to_1e-4`: rounds until the objective is within a relative 1e-4 of
    the exact optimum; None if it never is.
    """
    federation = found(data, directory)
    plan = plan_run(federation, settings, purpose="benchmark")
    traffic = Counter[str]()

    def record(sender: str, _receiver: str, _kind: str, _payload: bytes, serialised_bytes: int) -> None:
        traffic["in" if sender != "bureau" else "out"] += serialised_bytes

    result = run_federation(federation, plan, recorder=record, news=news)
    pooled = PooledRun(federation, plan.run_id, rounds=len(result["rounds"]))
    return _figures(data, plan, result, pooled) | {"bytes_through_coordinator": sum(traffic.values())}


def _figures(data: FederationData, plan: RunPlan, result: dict[str, Any], pooled: PooledRun) -> dict[str, Any]:
    optimum = pooled.optimum()
    designs = pooled.designs
    same_model = optimum.log_odds([design.columns for design in designs.values()])
    federated = pooled.federated_log_odds
    qualities = {"federated": pooled.quality(federated), "pooled_same_model": pooled.quality(same_model)}
    if boosted := _if_installed(lambda: pooled.quality(pooled.xgboost(seed=SEED))):
        qualities["pooled_xgboost"] = boosted
    alone = {name: pooled.quality(log_odds) for name, log_odds in pooled.alone().items()}
    best = max(alone, key=lambda name: alone[name].auc)
    qualities["best_single"] = alone[best]
    objectives = [round_["objective"] for round_ in result["rounds"]]
    close = [number for number, value in enumerate(objectives, start=1) if value <= optimum.objective * (1 + WITHIN)]
    seconds = result["seconds"]
    return {
        "data": data.name,
        "rows": len(federated),
        "training_rows": int((pooled.weights > 0).sum()),
        "held_out_rows": int(pooled.held_out.sum()),
        "departments": len(plan.departments),
        "banks": len(plan.banks),
        "parameters": sum(len(design.penalty) for design in designs.values()),
        "largest_block": max(len(design.penalty) for design in designs.values()),
        "rounds": len(objectives),
        "rounds_to_1e-4": close[0] if close else None,
        "seconds": {phase: round(seconds[phase], 3) for phase in ("alignment", "binning", "training", "evaluation")},
        "auc": {name: quality.auc for name, quality in qualities.items()},
        "ks": {name: quality.ks for name, quality in qualities.items()},
        "best_single": best,
        "participants_alone": {name: {"auc": quality.auc, "ks": quality.ks} for name, quality in alone.items()},
        "objective": {"federated": objectives[-1], "optimum": optimum.objective},
        "max_abs_log_odds_difference": float(np.abs(federated - same_model).max()),
        "versions": installed_versions(),
    }


def _if_installed(measure: Callable[[], Quality]) -> Quality | None:
    """The figure, or nothing where the optional library for it is not installed."""
    try:
        return measure()
    except ModuleNotFoundError:
        return None
