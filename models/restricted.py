"""What banks tell each other about the objective on the span of the directions: few numbers, as a masked sum.

As words mod 2^64 the statistics are in fixed point, in this order:

    loss | gradient_0 .. gradient_k | hessian_00, hessian_01 .. hessian_0k, hessian_11 .. hessian_kk  (upper triangle)

A direction of a late round is tiny, and its square in the Hessian would drown in the rounding. So each direction is
measured in units of its own length in the penalty, which every party knows (`SubspaceMinimiser.scales`). In these units
an image is at most sqrt(features / ridge) for binned blocks: nothing overflows and nothing drowns.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from crypto.fixed_point import from_fixed_point, to_fixed_point
from models.errors import InvalidModelInput

STATISTICS_FRACTION_BITS: Final = 32
"""Totals up to 2^31 in steps of 2^-32: enough for 10^8 borrowers, and no rounding that a Newton step would notice."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RestrictedStatistics:
    """Loss, gradient (1 + k,) and Hessian (1 + k, 1 + k) in k directions and the intercept, which comes first."""

    loss: float
    gradient: npt.NDArray[np.float64]
    hessian: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.gradient.ndim != 1 or self.hessian.shape != (len(self.gradient), len(self.gradient)):
            raise InvalidModelInput("gradient and Hessian disagree on the number of directions")

    def __add__(self, other: Self) -> "RestrictedStatistics":
        """Return the statistics of both cohorts together."""
        return RestrictedStatistics(
            loss=self.loss + other.loss,
            gradient=self.gradient + other.gradient,
            hessian=self.hessian + other.hessian,
        )

    @staticmethod
    def word_count(directions: int) -> int:
        """Return how many words the statistics in so many directions (and the intercept) take."""
        size = directions + 1
        return 1 + size + size * (size + 1) // 2

    def to_words(
        self, scales: npt.NDArray[np.float64], *, fraction_bits: int = STATISTICS_FRACTION_BITS
    ) -> npt.NDArray[np.uint64]:
        """Return the statistics in fixed point, (word_count,) uint64, ready for a masked sum; overflow is refused."""
        if scales.shape != self.gradient.shape:
            raise InvalidModelInput("one scale a direction is needed, the intercept included")
        upper = np.triu_indices(len(self.gradient))
        hessian = (self.hessian * np.outer(scales, scales))[upper]
        return to_fixed_point(np.concatenate(([self.loss], self.gradient * scales, hessian)), fraction_bits)

    @classmethod
    def from_words(
        cls,
        words: npt.NDArray[np.uint64],
        scales: npt.NDArray[np.float64],
        *,
        fraction_bits: int = STATISTICS_FRACTION_BITS,
    ) -> "RestrictedStatistics":
        """Read a sum of `to_words` of several banks; `scales` are those that all of them used."""
        size = len(scales)
        if words.shape != (cls.word_count(size - 1),):
            raise InvalidModelInput(f"{cls.word_count(size - 1)} words were expected, {words.size} came")
        numbers = from_fixed_point(words, fraction_bits)
        hessian = np.zeros((size, size))
        hessian[np.triu_indices(size)] = numbers[1 + size :]
        hessian = (hessian + np.triu(hessian, 1).T) / np.outer(scales, scales)
        return cls(loss=float(numbers[0]), gradient=numbers[1 : 1 + size] / scales, hessian=hessian)
