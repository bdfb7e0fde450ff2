"""The subspace minimiser against the exact optimum, block by block and bank by bank."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from models.errors import InvalidModelInput
from models.optimizer import (
    COARSE_SMOOTHING,
    RestrictedObjective,
    SubspaceMinimiser,
    block_direction,
    log_odds_of_rate,
)
from models.restricted import RestrictedStatistics

Array = np.ndarray


def correlated_blocks(rng: np.random.Generator, rows: int = 1500) -> tuple[list[Array], list[Array], Array]:
    common = rng.normal(size=(rows, 3))
    designs = []
    for size in (4, 6, 5):
        mixed = common @ rng.normal(size=(3, size)) + rng.normal(size=(rows, size))
        designs.append((mixed > 0.5).astype(np.float64))
    penalties = [np.eye(design.shape[1]) * 2.0 for design in designs]
    truth = sum(design @ rng.normal(size=design.shape[1]) for design in designs)
    labels = (rng.random(rows) < expit(truth - 1.5)).astype(np.float64)
    return designs, penalties, labels


def penalised_objective(theta: Array, design: Array, penalty: Array, labels: Array, weights: Array) -> float:
    log_odds = theta[0] + design @ theta[1:]
    loss = weights @ (np.logaddexp(0, log_odds) - labels * log_odds)
    return float(loss + 0.5 * theta[1:] @ penalty @ theta[1:])


class Federation:
    """Departments and banks in one process, each part used only where its owner would use it."""

    def __init__(
        self, designs: list[Array], penalties: list[Array], labels: Array, weights: Array, banks: Array
    ) -> None:
        self.designs, self.penalties, self.banks = designs, penalties, banks
        self.total_weight = float(weights.sum())
        self.base_rate = float(weights @ labels / self.total_weight)
        self.parts = [banks == bank for bank in np.unique(banks)]
        self.objectives = [RestrictedObjective(labels[part], weights[part]) for part in self.parts]
        self.minimiser = SubspaceMinimiser(log_odds_of_rate(self.base_rate))
        self.pieces: list[list[Array]] = [[] for _ in designs]
        self.measurements = 0

    def block_weights(self) -> list[Array]:
        steps = self.minimiser.coefficients[1:]
        return [
            np.array(pieces).T @ steps if pieces else np.zeros(design.shape[1])
            for design, pieces in zip(self.designs, self.pieces, strict=True)
        ]

    def round(self, smoothings: Sequence[float] = (1.0,)) -> None:
        residuals = np.zeros(len(self.banks))
        for part, objective in zip(self.parts, self.objectives, strict=True):
            residuals[part] = objective.residuals(self.minimiser.coefficients)
        gradients = [
            design.T @ residuals + penalty @ weights
            for design, penalty, weights in zip(self.designs, self.penalties, self.block_weights(), strict=True)
        ]
        for smoothing in smoothings:
            self.add_direction(gradients, smoothing)
        done = False
        while not done:
            at = self.minimiser.propose()
            words = [o.statistics(at).to_words(self.minimiser.scales) for o in self.objectives]
            total = np.stack(words).sum(axis=0, dtype=np.uint64)
            done = self.minimiser.update(RestrictedStatistics.from_words(total, self.minimiser.scales))
            self.measurements += 1

    def add_direction(self, gradients: list[Array], smoothing: float) -> None:
        image = np.zeros(len(self.banks))
        products: Array | float = 0.0
        for design, penalty, gradient, pieces in zip(self.designs, self.penalties, gradients, self.pieces, strict=True):
            direction = block_direction(
                gradient,
                design.T @ design,
                design.sum(axis=0),
                len(design),
                penalty=penalty,
                base_rate=self.base_rate,
                total_weight=self.total_weight,
                smoothing=smoothing,
            )
            pieces.append(direction)
            image += design @ direction
            products = products + np.array(pieces) @ penalty @ direction
        self.minimiser.add_direction(np.asarray(products))
        for part, objective in zip(self.parts, self.objectives, strict=True):
            objective.add_image(image[part])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("smoothings", [(1.0,), (1.0, COARSE_SMOOTHING)])
def test_blocks_and_banks_together_reach_the_optimum_that_scipy_finds_on_the_pooled_data(
    rng: np.random.Generator, smoothings: tuple[float, ...]
) -> None:
    designs, penalties, labels = correlated_blocks(rng)
    weights = rng.choice([0.0, 1.0, 2.0], size=len(labels), p=[0.2, 0.5, 0.3])
    federation = Federation(designs, penalties, labels, weights, rng.integers(0, 3, len(labels)))
    while federation.minimiser.relative_decrease() > 1e-11 and federation.minimiser.directions < 40:
        federation.round(smoothings)

    penalty = np.zeros((15, 15))
    starts = np.cumsum([0, 4, 6, 5])
    for start, stop, part in zip(starts, starts[1:], penalties, strict=False):
        penalty[start:stop, start:stop] = part
    design = np.hstack(designs)
    exact = minimize(
        penalised_objective, np.zeros(16), (design, penalty, labels, weights), method="BFGS", options={"gtol": 1e-5}
    )
    assert federation.minimiser.objectives[-1] == pytest.approx(exact.fun, rel=1e-8)
    reached = np.hstack(federation.block_weights())
    log_odds = design @ reached + federation.minimiser.coefficients[0]
    assert np.abs(log_odds - (exact.x[0] + design @ exact.x[1:])).max() < 1e-3
    # Every bank's own view of its borrowers agrees with the blocks.
    for part, objective in zip(federation.parts, federation.objectives, strict=True):
        assert np.allclose(objective.log_odds(federation.minimiser.coefficients), log_odds[part], atol=1e-9)


def test_the_objective_falls_every_round_and_a_round_takes_few_measurements(rng: np.random.Generator) -> None:
    designs, penalties, labels = correlated_blocks(rng)
    federation = Federation(designs, penalties, labels, np.ones(len(labels)), np.zeros(len(labels)))
    for _ in range(8):
        federation.round()
    objectives = np.array(federation.minimiser.objectives)
    assert (np.diff(objectives) < 0).all()
    assert federation.measurements <= 8 * 3


def test_rows_of_weight_zero_change_nothing(rng: np.random.Generator) -> None:
    designs, _, labels = correlated_blocks(rng, rows=400)
    weights = np.where(np.arange(400) < 300, 1.0, 0.0)
    other = labels.copy()
    other[300:] = np.nan
    images = designs[0] @ rng.normal(size=(4, 2))
    statistics = []
    for column in (labels, other):
        objective = RestrictedObjective(column, weights)
        for image in images.T:
            objective.add_image(image)
        statistics.append(objective.statistics(np.array([-1.0, 0.4, 0.3])))
    assert statistics[0].loss == statistics[1].loss
    assert np.array_equal(statistics[0].hessian, statistics[1].hessian)
    assert (objective.residuals(np.array([-1.0, 0.4, 0.3]))[300:] == 0).all()


def test_statistics_are_the_derivatives_of_the_loss(rng: np.random.Generator) -> None:
    objective = RestrictedObjective((rng.random(200) < 0.3).astype(float), rng.random(200))
    for _ in range(3):
        objective.add_image(rng.normal(size=200))
    at = np.array([-0.8, 0.3, -0.2, 0.5])
    here = objective.statistics(at)
    for k in range(4):
        nudge = np.eye(4)[k] * 1e-5
        above, below = objective.statistics(at + nudge), objective.statistics(at - nudge)
        assert (above.loss - below.loss) / 2e-5 == pytest.approx(here.gradient[k], abs=1e-5)
        assert np.allclose((above.gradient - below.gradient) / 2e-5, here.hessian[k], atol=1e-5)


def test_the_direction_is_the_centred_newton_step_of_the_block_alone(rng: np.random.Generator) -> None:
    design = rng.integers(0, 2, size=(300, 5)).astype(float)
    labels = (rng.random(300) < 0.25).astype(float)
    rate = labels.mean()
    # Newton's step in (intercept, weights) from the base rate: its weights are the direction.
    full = np.column_stack((np.ones(300), design))
    penalty = np.diag([0.0, 3, 3, 3, 3, 3])
    newton = -np.linalg.solve(rate * (1 - rate) * full.T @ full + penalty, full.T @ (rate - labels))
    direction = block_direction(
        design.T @ (rate - labels),
        design.T @ design,
        design.sum(axis=0),
        300,
        penalty=penalty[1:, 1:],
        base_rate=rate,
    )
    assert np.allclose(direction, newton[1:])


@pytest.mark.parametrize(
    "change",
    [
        {"penalty": np.zeros((3, 3))},
        {"penalty": np.eye(2)},
        {"gradient": np.array([0.0, np.nan, 0.0])},
        {"rows": 0},
    ],
)
def test_a_direction_of_unfit_parts_is_refused(change: dict[str, object]) -> None:
    parts: dict[str, Any] = {
        "gradient": np.ones(3),
        "gram": np.zeros((3, 3)),
        "column_sums": np.zeros(3),
        "rows": 10,
        "penalty": np.eye(3),
        "base_rate": 0.2,
    }
    with pytest.raises(InvalidModelInput):
        block_direction(**{**parts, **change})


def test_labels_weights_and_images_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidModelInput):
        RestrictedObjective(np.zeros(3), np.zeros(4))
    with pytest.raises(InvalidModelInput):
        RestrictedObjective(np.array([0.0, 2.0]), np.ones(2))
    with pytest.raises(InvalidModelInput):
        RestrictedObjective(np.zeros(2), np.array([1.0, -1.0]))
    objective = RestrictedObjective(np.zeros(2), np.ones(2))
    with pytest.raises(InvalidModelInput):
        objective.add_image(np.zeros(3))
    with pytest.raises(InvalidModelInput):
        objective.log_odds(np.zeros(2))
    with pytest.raises(InvalidModelInput):
        log_odds_of_rate(0.0)
