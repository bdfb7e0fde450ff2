"""Weight of evidence and information value: what a feature alone says about default.

    weight_of_evidence_k = ln( (goods_k / goods) / (defaults_k / defaults) )          positive: safer than the average
    information_value    = sum_k (goods_k / goods - defaults_k / defaults) weight_of_evidence_k

(Siddiqi, Credit Risk Scorecards, 2006.) No protocol of its own is needed. In the first round of training the residual
is r = p - y with p the base rate, so a bin's gradient X'r = p count - defaults tells the department its own defaults
a bin, and nobody else sees them.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import InvalidModelInput

Vector = npt.NDArray[np.float64]

HALF_A_ROW: Final = 0.5
"""What is added to both counts of a bin, so that a bin without defaults has a finite weight."""


def defaults_from_gradient(gradient: Vector, counts: Vector, base_rate: float, *, weight_share: float = 1.0) -> Vector:
    """Return the defaults a bin, from the first round's X'r (bins,) and the bins' counts (bins,).

    `weight_share` is the public part of rows that carry weight: a department cannot tell a decoy or a held-out row
    from others, so where it is below 1 the counts, and with them the answer, are estimates. Clipped to 0 .. count.
    """
    weighted = counts * weight_share
    return np.clip(base_rate * weighted - gradient, 0.0, weighted)


def weight_of_evidence(counts: Vector, defaults: Vector, *, prior: float = HALF_A_ROW) -> Vector:
    """Return each bin's weight of evidence, (bins,). A bin that nobody is in has 0."""
    goods_share, defaults_share = _shares(counts, defaults, prior)
    return np.where(np.asarray(counts) > 0, np.log(goods_share / defaults_share), 0.0)


def information_value(counts: Vector, defaults: Vector, *, prior: float = HALF_A_ROW) -> float:
    """Return the feature's information value; under 0.02 it says nothing, over 0.3 a lot."""
    goods_share, defaults_share = _shares(counts, defaults, prior)
    occupied = np.asarray(counts) > 0
    parts = (goods_share - defaults_share) * np.log(goods_share / defaults_share)
    return float(parts[occupied].sum())


def _shares(counts: Vector, defaults: Vector, prior: float) -> tuple[Vector, Vector]:
    counts, defaults = np.asarray(counts, dtype=np.float64), np.asarray(defaults, dtype=np.float64)
    if counts.shape != defaults.shape or counts.ndim != 1:
        raise InvalidModelInput("counts and defaults are two vectors of one length")
    if (defaults < 0).any() or (defaults > counts).any() or prior <= 0:
        raise InvalidModelInput("a bin has between none and all of its rows in default")
    goods = counts - defaults
    if goods.sum() <= 0 or defaults.sum() <= 0:
        raise InvalidModelInput("a weight of evidence needs both outcomes")
    return (goods + prior) / goods.sum(), (defaults + prior) / defaults.sum()
