"""From log-odds of default to points, higher is better, and back.

    score = base_score + factor (-log_odds_default - ln base_odds_good_to_bad)         factor = points_to_double_odds
    / ln 2

Apart from the scorecard, because whoever only reads scores needs no blocks, and they take a second to load.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from models.errors import InvalidModelInput

Vector = npt.NDArray[np.float64]
Points = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsScale:
    """What a score means: `base_score` is odds of `base_odds_good_to_bad`, `points_to_double_odds` more double them."""

    base_score: float = 600.0
    base_odds_good_to_bad: float = 20.0
    points_to_double_odds: float = 20.0

    def __post_init__(self) -> None:
        numbers = (self.base_score, self.base_odds_good_to_bad, self.points_to_double_odds)
        if not np.isfinite(numbers).all() or self.base_odds_good_to_bad <= 0 or self.points_to_double_odds <= 0:
            raise InvalidModelInput("a points scale has finite numbers, odds and points to double them above 0")

    @property
    def factor(self) -> float:
        """Points for one natural logarithm of odds."""
        return self.points_to_double_odds / float(np.log(2))

    def score(self, log_odds_default: Vector) -> Vector:
        """Return the exact score of each log-odds, not rounded."""
        offset = self.base_score - self.factor * float(np.log(self.base_odds_good_to_bad))
        return offset - self.factor * np.asarray(log_odds_default, dtype=np.float64)

    def points(self, log_odds_default: Vector) -> Points:
        """Return the score of each log-odds in whole points."""
        return np.rint(self.score(log_odds_default)).astype(np.int64)

    def log_odds_default(self, score: Vector) -> Vector:
        """Return the log-odds of default that a score stands for; the inverse of `score`."""
        offset = self.base_score - self.factor * float(np.log(self.base_odds_good_to_bad))
        return (offset - np.asarray(score, dtype=np.float64)) / self.factor

    def probability_of_default(self, score: Vector) -> Vector:
        """Return the probability of default that a score stands for."""
        return np.asarray(expit(self.log_odds_default(score)), dtype=np.float64)


def points_that_add_up(parts: Vector) -> Points:
    """Return integers (parts,) that sum to the rounded sum of `parts`, each less than 1 from its part.

    All are rounded down, then the largest remainders are rounded up instead (Hamilton's apportionment); of equal
    remainders the earlier goes first.
    """
    parts = np.asarray(parts, dtype=np.float64)
    if parts.ndim != 1 or not np.isfinite(parts).all():
        raise InvalidModelInput("points are made of finite numbers")
    down = np.floor(parts)
    # The excess is counted from the remainders, so that rounding of a large sum cannot ask for more than there are
    # parts.
    excess = int(np.rint((parts - down).sum()))
    order = np.argsort(-(parts - down), kind="stable")
    points = down.astype(np.int64)
    points[order[:excess]] += 1
    return points
