"""Minimising one objective over blocks that nobody sees together.

    F(w, b) = sum_i weight_i logloss(y_i, u_i) + 1/2 sum_j w_j' P_j w_j    u = b + sum_j X_j w_j    (natural logarithms)

Each round every block j answers with a direction v_j of its own, made of its own gradient and its own curvature
(`block_direction`). The objective is then minimised over the span of *all* directions so far: a bank holds the images
`a_k = sum_j X_j v_jk` of its own borrowers (`RestrictedObjective`) and the banks agree, through masked sums of few
numbers (`restricted.RestrictedStatistics`), on the coefficients (`SubspaceMinimiser`). All banks run the same
minimiser on the same totals, so all of them hold the same coefficients, and departments need nothing but these.

On a quadratic this is the method of conjugate gradients, preconditioned block by block: the only thing that it lacks
is the curvature between blocks, which is what no party may know. Measured figures are in docs/adr/0004.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from models.errors import InvalidModelInput
from models.restricted import RestrictedStatistics
from models.subspace import SubspaceMinimiser

__all__ = [
    "COARSE_SMOOTHING",
    "RestrictedObjective",
    "RestrictedStatistics",
    "SubspaceMinimiser",
    "block_direction",
    "log_odds_of_rate",
]

Vector = npt.NDArray[np.float64]

COARSE_SMOOTHING: Final = 100.0
"""How much more penalty the second, coarse direction of a round is made with, where two are asked for."""


def log_odds_of_rate(base_rate: float) -> float:
    """Return ln(p / (1 - p)), the intercept of a model that knows nothing but the base rate."""
    if not 0 < base_rate < 1:
        raise InvalidModelInput("a base rate lies strictly between 0 and 1", advice="A cohort needs both outcomes.")
    return float(np.log(base_rate / (1 - base_rate)))


def block_direction(
    gradient: Vector,
    gram: Vector,
    column_sums: Vector,
    rows: int,
    *,
    penalty: Vector,
    base_rate: float,
    total_weight: float | None = None,
    smoothing: float = 1.0,
) -> Vector:
    """Return the block's direction v = -(s p (1 - p) (X'X - n mu mu') + smoothing P)^-1 g, shape (parameters,).

    `gradient` (parameters,): X'r plus the penalty's part, P w. `gram` (parameters, parameters): X'X. `column_sums`:
    X'1. Centring takes the intercept out of the curvature: it is minimised over in every step. `total_weight` is the
    public sum of all weights where some rows (a hold-out, decoys) have none, s = total_weight / rows. Curvature at
    the base rate is all that a department can know, and measured no worse than the true one: what is left is coupling
    between blocks. A second direction of `smoothing=COARSE_SMOOTHING` moves neighbouring bins together and saves
    about a fifth of the rounds.
    """
    parameters = len(gradient)
    if gram.shape != (parameters, parameters) or penalty.shape != gram.shape or column_sums.shape != gradient.shape:
        raise InvalidModelInput(f"gradient, gram, sums and penalty disagree on {parameters} parameters")
    if rows <= 0 or not np.isfinite(gradient).all():
        raise InvalidModelInput("a direction needs at least one row and a finite gradient")
    share = 1.0 if total_weight is None else total_weight / rows
    curvature = share * base_rate * (1 - base_rate) * (gram - np.outer(column_sums, column_sums) / rows)
    try:
        factor = cho_factor(curvature + smoothing * penalty, lower=True)
    except np.linalg.LinAlgError as error:
        raise InvalidModelInput("the block's penalty leaves a parameter free", advice="Use a ridge above 0.") from error
    return np.asarray(-cho_solve(factor, gradient), dtype=np.float64)


class RestrictedObjective:
    """One bank's part of the objective on the span of all directions: the loss of its own borrowers.

    Holds labels, weights and images; nothing of it leaves but `RestrictedStatistics`, and these only as masked sums.
    A row of weight 0 (a hold-out or a decoy) has log-odds but no part in any statistic.
    """

    def __init__(self, labels: Vector, weights: Vector) -> None:
        if labels.ndim != 1 or labels.shape != weights.shape:
            raise InvalidModelInput("labels and weights are two vectors of one length")
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise InvalidModelInput("a weight is a finite number and not negative")
        if not np.isin(labels[weights > 0], (0.0, 1.0)).all():
            raise InvalidModelInput("a label of a row with weight is 0 or 1")
        self._weights = np.asarray(weights, dtype=np.float64)
        self._labels = np.where(weights > 0, labels, 0.0)
        self._images = np.ones((len(labels), 1))

    @property
    def directions(self) -> int:
        """How many directions there are, the intercept left out."""
        return self._images.shape[1] - 1

    @property
    def images(self) -> Vector:
        """(rows, directions): the image of each direction. A copy, for saving; the intercept's ones are left out."""
        return self._images[:, 1:].copy()

    def add_image(self, image: Vector) -> None:
        """Take in the image of the next direction, sum_j X_j v_j, shape (rows,)."""
        if image.shape != self._labels.shape or not np.isfinite(image).all():
            raise InvalidModelInput("an image is one finite number a row of the cohort")
        self._images = np.column_stack((self._images, image))

    def log_odds(self, coefficients: Vector) -> Vector:
        """Return u = A c, the log-odds of default, (rows,); `coefficients`: (1 + directions,), the intercept first."""
        if coefficients.shape != (self._images.shape[1],):
            raise InvalidModelInput(f"{self._images.shape[1]} coefficients are needed, the intercept included")
        return np.asarray(self._images @ coefficients, dtype=np.float64)

    def residuals(self, coefficients: Vector) -> Vector:
        """Return r = weight (sigmoid(u) - y), what a round encrypts; 0 where the weight is 0."""
        return np.asarray(self._weights * (expit(self.log_odds(coefficients)) - self._labels), dtype=np.float64)

    def statistics(self, coefficients: Vector) -> RestrictedStatistics:
        """Return loss, gradient and Hessian of the bank's loss at `coefficients`, without any penalty."""
        log_odds = self.log_odds(coefficients)
        probability = expit(log_odds)
        curvature = self._weights * probability * (1 - probability)
        return RestrictedStatistics(
            loss=float(self._weights @ (np.logaddexp(0, log_odds) - self._labels * log_odds)),
            gradient=self._images.T @ (self._weights * (probability - self._labels)),
            hessian=(self._images.T * curvature) @ self._images,
        )
