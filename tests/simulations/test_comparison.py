"""Federated equals pooled: encryption adds nothing but rounding, and enough rounds reach the optimum."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.optimizer import RestrictedObjective, SubspaceMinimiser, block_direction, log_odds_of_rate
from simulations.comparison import PooledRun
from simulations.founding import found
from simulations.rehearsal import FinishedRun, observe
from simulations.run_federation import Hyperparameters, plan_run
from simulations.small_federation import SETTINGS, SmallFederation

Vector = NDArray[np.float64]


def in_the_clear(pooled: PooledRun, rounds: int) -> tuple[Vector, list[float]]:
    """The same algorithm on one table: log-odds of all rows, and the objective after each round."""
    labels, weights, designs = pooled.labels, pooled.weights, list(pooled.designs.values())
    columns = [np.asarray(design.columns, dtype=np.float64) for design in designs]
    total = float(weights.sum())
    base_rate = float(weights @ labels) / total
    objective = RestrictedObjective(labels, weights)
    minimiser = SubspaceMinimiser(log_odds_of_rate(base_rate))
    directions: list[list[Vector]] = []
    for _ in range(rounds):
        residuals = objective.residuals(minimiser.coefficients)
        reached = [
            sum((c * past[block] for c, past in zip(minimiser.coefficients[1:], directions, strict=True)), 0.0)
            for block in range(len(designs))
        ]
        new = [
            block_direction(
                column.T @ residuals + design.penalty @ (at + np.zeros(column.shape[1])),
                column.T @ column,
                column.sum(axis=0),
                len(labels),
                penalty=design.penalty,
                base_rate=base_rate,
                total_weight=total,
            )
            for column, design, at in zip(columns, designs, reached, strict=True)
        ]
        directions.append(new)
        objective.add_image(np.sum([column @ vector for column, vector in zip(columns, new, strict=True)], axis=0))
        products = [
            sum(float(past @ design.penalty @ vector) for past, design, vector in zip(old, designs, new, strict=True))
            for old in directions
        ]
        minimiser.add_direction(np.array(products))
        while not minimiser.update(objective.statistics(minimiser.propose())):
            pass
    return objective.log_odds(minimiser.coefficients), list(minimiser.objectives[1:])


def assert_nothing_added(run: FinishedRun, *, tolerance: float) -> None:
    pooled = PooledRun(run.federation, run.plan.run_id, rounds=run.rounds)
    log_odds, objectives = in_the_clear(pooled, run.rounds)
    assert run.objectives == pytest.approx(objectives, rel=tolerance)
    np.testing.assert_allclose(pooled.federated_log_odds, log_odds, rtol=0, atol=tolerance)


def test_encryption_adds_nothing_but_rounding(finished: FinishedRun) -> None:
    assert finished.rounds == SETTINGS.maximum_rounds
    assert_nothing_added(finished, tolerance=1e-6)


@pytest.mark.parametrize(
    ("shape", "settings", "tolerance"),
    [
        pytest.param(SmallFederation(banks=1), SETTINGS, 1e-6, id="one-bank"),
        # Larger entries leave fewer bits for the residuals.
        pytest.param(
            SmallFederation(banks=3, bank_features=False, categories=False),
            replace(SETTINGS, block="linear"),
            1e-4,
            id="linear-blocks-and-three-banks-without-features",
        ),
        pytest.param(SmallFederation(weighted=True), SETTINGS, 1e-6, id="weighted-borrowers"),
    ],
)
def test_the_same_holds_for(
    shape: SmallFederation, settings: Hyperparameters, tolerance: float, tmp_path: Path
) -> None:
    shape = replace(shape, departments=3, borrowers_per_bank=960 // shape.banks)
    federation = found(shape.make(), tmp_path)
    assert_nothing_added(observe(federation, plan_run(federation, settings, purpose="comparison")), tolerance=tolerance)
