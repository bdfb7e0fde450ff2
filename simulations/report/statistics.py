"""The few numbers of the report that are computed from others."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from simulations.report.data import Quality

_NORMAL_95: Final = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Separation:
    """Shares (points,) of all, of the defaults and of the good ones among the riskiest, threshold by threshold."""

    population: npt.NDArray[np.float64]
    defaults: npt.NDArray[np.float64]
    goods: npt.NDArray[np.float64]


def separation(quality: Quality) -> Separation:
    """Read the curves off the ROC curve and the overall default rate."""
    rate = quality.defaults / quality.rows
    defaults, goods = quality.roc.true_positive_rate, quality.roc.false_positive_rate
    return Separation(population=rate * defaults + (1 - rate) * goods, defaults=defaults, goods=goods)


def rate_interval(defaults: float, enterprises: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a default rate (Wilson, JASA 1927)."""
    z2 = _NORMAL_95**2
    rate = defaults / enterprises
    middle = (rate + z2 / (2 * enterprises)) / (1 + z2 / enterprises)
    half = _NORMAL_95 * np.sqrt(rate * (1 - rate) / enterprises + z2 / (4 * enterprises**2)) / (1 + z2 / enterprises)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
