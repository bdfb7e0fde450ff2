"""What federated training is compared with: the same model and others, trained in the clear on pooled data.

For benchmarks and tests only. Nothing in a federation may call this: it wants all columns and all labels in one place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag, cho_factor, cho_solve
from scipy.special import expit

from models.errors import InvalidModelInput, MinimisationFailed
from models.metrics import auc
from models.optimizer import log_odds_of_rate

Vector = npt.NDArray[np.float64]

_STEPS: Final = 60
_HALVINGS: Final = 40
_DECREMENT: Final = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """One block's columns (rows, size) and penalty (size, size)."""

    columns: npt.NDArray[Any]
    penalty: Vector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PooledOptimum:
    """The exact minimum of the objective: intercept, weights of each block, and the objective there."""

    intercept: float
    weights: tuple[Vector, ...]
    objective: float

    def log_odds(self, columns: Sequence[npt.NDArray[Any]]) -> Vector:
        """Return the log-odds of default of rows given as one columns matrix a block."""
        parts = [part @ weights for part, weights in zip(columns, self.weights, strict=True)]
        return np.asarray(self.intercept + np.sum(parts, axis=0), dtype=np.float64)


def minimise_pooled(designs: Sequence[Design], labels: Vector, weights: Vector | None = None) -> PooledOptimum:
    """Return the optimum of the additive model's objective by Newton's method on all columns at once.

    Ends when a further step would lower the objective by less than 1e-10: many digits beyond what is compared.
    """
    used = np.ones(len(labels), dtype=bool) if weights is None else weights > 0
    importance = np.ones(int(used.sum())) if weights is None else weights[used]
    y = np.asarray(labels, dtype=np.float64)[used]
    if not np.isin(y, (0.0, 1.0)).all():
        raise InvalidModelInput("a label of a row with weight is 0 or 1")
    X = np.hstack([np.ones((len(y), 1)), *(np.asarray(design.columns)[used] for design in designs)])
    P = np.asarray(block_diag(np.zeros((1, 1)), *(design.penalty for design in designs)))
    theta = np.zeros(X.shape[1])
    theta[0] = log_odds_of_rate(float(importance @ y / importance.sum()))
    theta, objective = _newton(X, P, y, importance, theta)
    cuts = np.cumsum([1, *(len(design.penalty) for design in designs)])[:-1]
    return PooledOptimum(intercept=float(theta[0]), weights=tuple(np.split(theta, cuts)[1:]), objective=objective)


def _objective(X: Vector, P: Vector, y: Vector, weights: Vector, theta: Vector) -> float:
    u = X @ theta
    return float(weights @ (np.logaddexp(0, u) - y * u) + 0.5 * theta @ P @ theta)


def _newton(X: Vector, P: Vector, y: Vector, weights: Vector, theta: Vector) -> tuple[Vector, float]:
    objective = _objective(X, P, y, weights, theta)
    for _ in range(_STEPS):
        probability = expit(X @ theta)
        gradient = X.T @ (weights * (probability - y)) + P @ theta
        hessian = (X.T * (weights * probability * (1 - probability))) @ X + P
        step = -cho_solve(cho_factor(hessian), gradient)
        if -0.5 * float(gradient @ step) < _DECREMENT:
            return theta, objective
        length = 1.0
        for _ in range(_HALVINGS):
            reached = _objective(X, P, y, weights, theta + length * step)
            if reached <= objective + 1e-4 * length * float(gradient @ step) + 1e-12 * abs(objective):
                break
            length /= 2
        theta, objective = theta + length * step, reached
    raise MinimisationFailed("the pooled objective was not minimised", advice="Look for a penalty that is all but 0.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantAlone:
    """What one participant reaches without the others."""

    name: str
    auc: float


def participants_alone(
    designs: Mapping[str, Design], labels: Vector, training: npt.NDArray[np.bool_], held_out: npt.NDArray[np.bool_]
) -> tuple[ParticipantAlone, ...]:
    """Return the held-out AUC of each block trained alone (with everybody's labels), the best first.

    `designs` hold the columns of all rows; `training` and `held_out` choose among them.
    """
    results = []
    for name, design in designs.items():
        optimum = minimise_pooled([design], labels, training.astype(np.float64))
        log_odds = optimum.log_odds([np.asarray(design.columns)[held_out]])
        results.append(ParticipantAlone(name=name, auc=auc(labels[held_out], log_odds)))
    return tuple(sorted(results, key=lambda result: -result.auc))


def pooled_xgboost(
    features: npt.NDArray[np.float64],
    labels: Vector,
    training: npt.NDArray[np.bool_],
    *,
    seed: int,
    threads: int = 1,
) -> Vector:
    """Return the log-odds of default of all rows from boosted trees on all raw features, (rows, features), NaN missing.

    The reference that gives up additivity as well as privacy. Needs the extra `benchmark` (xgboost), imported here
    alone.
    """
    from xgboost import XGBClassifier

    model = XGBClassifier(
        n_estimators=300,
        max_depth=4,
        learning_rate=0.05,
        subsample=0.8,
        colsample_bytree=0.8,
        random_state=seed,
        n_jobs=threads,
    )
    model.fit(features[training], labels[training])
    return np.asarray(model.predict(features, output_margin=True), dtype=np.float64)
