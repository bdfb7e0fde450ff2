"""Metrics over all banks, from sums of histograms by label.

Each bank counts its held-out borrowers in fixed cells of log-odds, good ones and defaults apart; the banks' counts
are added under masks, and everything below is computed from the total. Cells are 1/128 of a natural logarithm wide
from -16 to 16, what is beyond goes to the outermost: AUC and KS come out within about 1e-4 of the exact ones (pairs
in one cell count as ties), and a cell's enterprises are taken to have its middle's probability (an error of at most
0.001 of a probability).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from models.errors import InvalidModelInput
from models.metrics import CalibrationRow, RocCurve, roc_from_counts
from models.points import PointsScale

CELLS_PER_UNIT: Final = 128
LARGEST_LOG_ODDS: Final = 16
CELLS: Final = 2 * LARGEST_LOG_ODDS * CELLS_PER_UNIT
HISTOGRAM_WORDS: Final = 2 * CELLS

Vector = npt.NDArray[np.float64]


def score_histogram(labels: Vector, log_odds_default: Vector, counted: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Return counts of `counted` rows, (HISTOGRAM_WORDS,) uint64: cells of good ones, then cells of defaults."""
    if labels.shape != log_odds_default.shape or labels.shape != counted.shape:
        raise InvalidModelInput("labels, log-odds and the choice of rows are vectors of one length")
    labels, log_odds = labels[counted], log_odds_default[counted]
    if not (np.isin(labels, (0.0, 1.0)).all() and np.isfinite(log_odds).all()):
        raise InvalidModelInput("labels are 0 or 1 and log-odds finite")
    cells = np.floor((log_odds + LARGEST_LOG_ODDS) * CELLS_PER_UNIT)
    places = np.clip(cells, 0, CELLS - 1).astype(np.int64) + CELLS * labels.astype(np.int64)
    return np.bincount(places, minlength=HISTOGRAM_WORDS).astype(np.uint64)


def cell_middles() -> Vector:
    """Return the log-odds in the middle of each cell, (CELLS,), rising."""
    return (np.arange(CELLS) + 0.5) / CELLS_PER_UNIT - LARGEST_LOG_ODDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBand:
    """Enterprises whose score is in [low, high): how many, and how many of them defaulted."""

    low: int
    high: int
    enterprises: int
    defaults: int

    @property
    def default_rate(self) -> float:
        """The share that defaulted; 0 for a band that nobody is in."""
        return self.defaults / self.enterprises if self.enterprises else 0.0


class ScoreHistogram:
    """The total over banks, and what can be read off it."""

    def __init__(self, words: npt.NDArray[np.uint64]) -> None:
        if words.shape != (HISTOGRAM_WORDS,) or (words > np.uint64(1 << 40)).any():
            raise InvalidModelInput("the counts are no sum of score histograms")
        self.goods = words[:CELLS].astype(np.float64)
        self.defaults = words[CELLS:].astype(np.float64)
        if not (self.goods.any() and self.defaults.any()):
            raise InvalidModelInput("a score histogram needs both outcomes")

    @property
    def counts(self) -> Vector:
        """Enterprises in each cell, (CELLS,)."""
        return self.goods + self.defaults

    def roc(self) -> RocCurve:
        """Return the ROC curve, with AUC, KS and Gini."""
        used = self.counts > 0
        return roc_from_counts(self.goods[used][::-1], self.defaults[used][::-1])

    def brier(self) -> float:
        """Return the mean squared error of the probabilities of default."""
        probability = expit(cell_middles())
        squares = self.goods @ probability**2 + self.defaults @ (1 - probability) ** 2
        return float(squares / self.counts.sum())

    def calibration(self, groups: int = 10) -> tuple[CalibrationRow, ...]:
        """Return up to `groups` groups of about equal size, from the safest."""
        counts, probability = self.counts, expit(cell_middles())
        middle = np.cumsum(counts) - counts / 2
        group = np.minimum((middle / counts.sum() * groups).astype(int), groups - 1)
        rows = []
        for index in range(groups):
            members = (group == index) & (counts > 0)
            total = float(counts[members].sum())
            if total:
                rows.append(
                    CalibrationRow(
                        enterprises=total,
                        mean_prediction=float(counts[members] @ probability[members]) / total,
                        default_rate=float(self.defaults[members].sum()) / total,
                    )
                )
        return tuple(rows)

    def bands(self, scale: PointsScale, *, width: int = 20) -> tuple[ScoreBand, ...]:
        """Return bands of `width` points from the lowest score that anybody has to the highest."""
        if width < 1:
            raise InvalidModelInput("a score band is at least one point wide")
        band = np.floor(scale.score(cell_middles()) / width).astype(np.int64)
        used = band[self.counts > 0]
        return tuple(
            ScoreBand(
                low=int(index) * width,
                high=(int(index) + 1) * width,
                enterprises=int(self.counts[band == index].sum()),
                defaults=int(self.defaults[band == index].sum()),
            )
            for index in range(int(used.min()), int(used.max()) + 1)
        )
