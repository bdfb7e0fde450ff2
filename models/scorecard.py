"""A binned block as a scorecard: integer points for each bin, and a base.

A score is their sum, exactly, so that what is stated to an enterprise adds up. Each part is rounded once: with F
features a score is within (F + 1) / 2 points of the formula in `models/points.py`, typically sqrt(F / 12). Where only
the sum over participants is known exactly, `points_that_add_up` gives integers for the parts that sum to the rounded
score, each less than one point from its own value.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from models.additive import BinnedBlock
from models.points import Points, PointsScale


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributePoints:
    """One line of a scorecard: how many points a feature's bin gives."""

    feature: str
    attribute: str
    points: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockScorecard:
    """The integer points of one binned block; `points` (size,) in the order of the block's weights."""

    block: BinnedBlock
    points: Points

    @classmethod
    def of(cls, block: BinnedBlock, scale: PointsScale) -> Self:
        """Return the block's weights in whole points."""
        return cls(block=block, points=np.rint(-scale.factor * block.weights_array()).astype(np.int64))

    def attributes(self) -> tuple[AttributePoints, ...]:
        """Return the lines of the scorecard, feature by feature."""
        labels = [(bins.name, bins.label(index)) for bins in self.block.features for index in range(bins.count)]
        return tuple(
            AttributePoints(feature=feature, attribute=attribute, points=int(points))
            for (feature, attribute), points in zip(labels, self.points, strict=True)
        )

    def feature_points(self, codes: npt.NDArray[np.uint16]) -> Points:
        """Return the points of each feature, (rows, features); a row's sum is the block's part of the score."""
        points: Points = self.points[self.block.places(codes)]
        return points


def base_points(intercept: float, scale: PointsScale) -> int:
    """Return the points that everybody gets: the intercept's, in whole points."""
    return int(scale.points(np.array([intercept]))[0])
