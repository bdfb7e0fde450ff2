"""The log-odds that enterprises lose at one block, by reason family, in fixed point.

    lost(i, family) = sum over the block's features of the family of (contribution(i, feature) - best(feature))   >= 0

A contribution is a feature's part of the log-odds of default, so the best is the least one. Of a binned feature it is
the least weight of its bins, those for missing and other included: every enterprise has one of them. A linear feature
has its least contribution at an end of the scale, four spreads from the centre, where hardly any enterprise is: against
it everybody would lose the most in the features that weigh the most. So it is measured against the centre, its median,
and nothing is lost by whoever is better than that.

Summed over families this is how far an enterprise is from the best that the block can say of one; for a block of linear
features, at least so far.

Fixed point as for partials, in 32 bits with a sign: steps of 2^-24 in log-odds, 127 at most. More is cut to that; no
two odds are so far apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.additive import BinnedBlock, Vector
from models.block_file import AnyBlock
from models.errors import InvalidModelInput
from models.reasons.families import ReasonFamilies, packaged_families
from models.reasons.words import MOST_LOST
from models.wire.scoring import PARTIAL_FRACTION_BITS

LostRows = NDArray[np.int32]
"""(rows, families of the block), in fixed point."""


class LostByFamily:
    """What rows lose at one block. `codes`: the families that the block has, in the order of the list.

    family_of: the family's code of features by name; one that is left out is of the general family.
    """

    def __init__(self, block: AnyBlock, family_of: Mapping[str, str], families: ReasonFamilies | None = None) -> None:
        families = families or packaged_families()
        of_each = [family_of.get(name, families.general) for name in block.feature_names]
        if any(code not in families for code in of_each):
            raise InvalidModelInput("a feature is of a reason family that is not in the list")
        self.codes = tuple(sorted(set(of_each), key=families.places.__getitem__))
        self._best = _best(block)
        # A 0/1 matrix (features, families): the product with it is the quickest way to add columns up.
        self._belongs = np.array([[code == own for code in self.codes] for own in of_each], dtype=np.float64)

    def lost(self, contributions: Vector) -> LostRows:
        """What rows lose, of the block's contributions (rows, features)."""
        lost = np.maximum(contributions - self._best, 0.0) @ self._belongs
        # A product may be a rounding above or below what is exact.
        scaled = np.clip(np.rint(lost * 2.0**PARTIAL_FRACTION_BITS), 0, MOST_LOST)
        return scaled.astype(np.int32)


def _best(block: AnyBlock) -> Vector:
    """The contribution (features,) that each feature is measured against."""
    if not isinstance(block, BinnedBlock):
        return np.zeros(len(block.features))  # at the centre, where the quantised value is 0
    return np.asarray(np.minimum.reduceat(block.weights_array(), block.starts), dtype=np.float64)
