"""How good a model is: ranking (AUC, KS, Gini), calibration (Brier, table), and whether its scores drift.

Everything is computed from the probability or the log-odds *of default*, so a higher value predicts a default. Rows
of weight 0 do not count. Each has a form for histograms by label (`histogram_metrics`), which is what banks can sum
under masks.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import InvalidModelInput

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RocCurve:
    """Shares of good ones and of defaults above each threshold, from (0, 0) to (1, 1); (points,) each."""

    false_positive_rate: Vector
    true_positive_rate: Vector

    @property
    def auc(self) -> float:
        """The area under the curve: the chance that a default ranks above a good one, ties counted half."""
        return float(np.trapezoid(self.true_positive_rate, self.false_positive_rate))

    @property
    def ks(self) -> float:
        """The largest distance between the shares of defaults and of good ones: Kolmogorov and Smirnov's statistic."""
        return float(np.abs(self.true_positive_rate - self.false_positive_rate).max())

    @property
    def gini(self) -> float:
        """The Gini coefficient, 2 AUC - 1."""
        return 2 * self.auc - 1


def roc_curve(labels: Vector, predictions: Vector, weights: Vector | None = None) -> RocCurve:
    """Return the ROC curve of `predictions` (rows,), higher for default, against `labels` (rows,), 1 for default."""
    labels, predictions, weights = _checked(labels, predictions, weights)
    order = np.argsort(-predictions, kind="stable")
    ends = np.append(np.nonzero(np.diff(predictions[order]))[0], len(order) - 1)
    defaults = np.cumsum((weights * labels)[order])[ends]
    goods = np.cumsum((weights * (1 - labels))[order])[ends]
    return roc_from_counts(np.diff(goods, prepend=0.0), np.diff(defaults, prepend=0.0))


def roc_from_counts(goods: Vector, defaults: Vector) -> RocCurve:
    """Return the ROC curve of counts in cells of falling risk, (cells,) each: the riskiest cell first."""
    goods, defaults = np.asarray(goods, dtype=np.float64), np.asarray(defaults, dtype=np.float64)
    if goods.sum() <= 0 or defaults.sum() <= 0:
        raise InvalidModelInput("a ROC curve needs both outcomes")
    false_positive_rate = np.append(0.0, np.cumsum(goods) / goods.sum())
    true_positive_rate = np.append(0.0, np.cumsum(defaults) / defaults.sum())
    return RocCurve(false_positive_rate=false_positive_rate, true_positive_rate=true_positive_rate)


def auc(labels: Vector, predictions: Vector, weights: Vector | None = None) -> float:
    """Return the area under the ROC curve."""
    return roc_curve(labels, predictions, weights).auc


def ks(labels: Vector, predictions: Vector, weights: Vector | None = None) -> float:
    """Return Kolmogorov and Smirnov's statistic."""
    return roc_curve(labels, predictions, weights).ks


def gini(labels: Vector, predictions: Vector, weights: Vector | None = None) -> float:
    """Return the Gini coefficient, 2 AUC - 1."""
    return roc_curve(labels, predictions, weights).gini


def brier(labels: Vector, probabilities: Vector, weights: Vector | None = None) -> float:
    """Return the mean squared error of the probabilities of default."""
    labels, probabilities, weights = _checked(labels, probabilities, weights)
    return float(np.average((probabilities - labels) ** 2, weights=weights))


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRow:
    """One group of enterprises of similar prediction: how many, what was predicted and what came."""

    enterprises: float
    mean_prediction: float
    default_rate: float


def calibration_table(
    labels: Vector, probabilities: Vector, weights: Vector | None = None, *, groups: int = 10
) -> tuple[CalibrationRow, ...]:
    """Return up to `groups` groups of about equal weight, from the safest; equal predictions are never parted."""
    labels, probabilities, weights = _checked(labels, probabilities, weights)
    if groups < 1:
        raise InvalidModelInput("a calibration table has at least one group")
    order = np.argsort(probabilities, kind="stable")
    _, place = np.unique(probabilities[order], return_inverse=True)
    middle = np.cumsum(weights[order]) - weights[order] / 2
    # A run of equal predictions goes where its middle is.
    run_weight = np.bincount(place, weights[order])
    run_middle = np.bincount(place, weights[order] * middle) / run_weight
    group = np.minimum((run_middle / weights.sum() * groups).astype(int), groups - 1)[place]
    rows = []
    for index in np.unique(group):
        members = order[group == index]
        share = weights[members]
        rows.append(
            CalibrationRow(
                enterprises=float(share.sum()),
                mean_prediction=float(np.average(probabilities[members], weights=share)),
                default_rate=float(np.average(labels[members], weights=share)),
            )
        )
    return tuple(rows)


def population_stability(expected: Vector, actual: Vector, *, prior: float = 0.5) -> float:
    """Return sum (a - e) ln(a / e) over the shares of two histograms on the same cells, (cells,) counts each.

    Under 0.1 the population is taken for stable, over 0.25 for changed. `prior` is added to every count, so that
    an empty cell is finite; cells empty in both are left out.
    """
    expected, actual = np.asarray(expected, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    if expected.shape != actual.shape or (expected < 0).any() or (actual < 0).any() or prior <= 0:
        raise InvalidModelInput("two histograms on the same cells, without negative counts, are needed")
    if expected.sum() <= 0 or actual.sum() <= 0:
        raise InvalidModelInput("an empty population is neither stable nor changed")
    used = (expected > 0) | (actual > 0)
    first = (expected[used] + prior) / (expected[used] + prior).sum()
    second = (actual[used] + prior) / (actual[used] + prior).sum()
    return float(((second - first) * np.log(second / first)).sum())


def _checked(labels: Vector, predictions: Vector, weights: Vector | None) -> tuple[Vector, Vector, Vector]:
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    labels, predictions = np.asarray(labels, dtype=np.float64), np.asarray(predictions, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != predictions.shape or labels.shape != weights.shape:
        raise InvalidModelInput("labels, predictions and weights are vectors of one length")
    used = weights > 0
    if not used.any():
        raise InvalidModelInput("there is no row to measure on")
    if not (np.isin(labels[used], (0.0, 1.0)).all() and np.isfinite(predictions[used]).all()):
        raise InvalidModelInput("labels are 0 or 1 and predictions finite")
    return labels[used], predictions[used], weights[used]
