"""The bank block in training: one block that all banks share, whose gradient is a masked sum over banks.

Every bank computes the same direction from the same sum, so the block's parameters are the same everywhere and its
image needs no message at all.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crypto.fixed_point import Words, from_fixed_point, to_fixed_point
from models.additive import BinnedBlock
from models.optimizer import block_direction
from models.wire.training import GRADIENT_FRACTION_BITS
from participants.bank.binner import BankTotals, own_block, own_codes
from participants.runs.run import Run

Vector = NDArray[np.float64]


class OwnBlock:
    """The bank block, or nothing where banks have no features of their own."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @cached_property
    def block(self) -> BinnedBlock | None:
        """The block, its parameters still at zero."""
        return own_block(self._run)

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return 0 if self.block is None else self.block.size

    def gradient_words(self, residuals: Vector) -> Words:
        """This bank's part of the block's gradient, `(size,)` words."""
        if self.block is None:
            return np.zeros(0, dtype=np.uint64)
        return to_fixed_point(self._columns.T @ residuals, GRADIENT_FRACTION_BITS)

    def direction(self, round_number: int, gradient: Words, values: Vector, totals: BankTotals, rows: int) -> Vector:
        """The round's direction `(size,)`, from the summed gradient and the coefficients of the rounds before."""
        if self.block is None:
            return np.zeros(0)
        total = from_fixed_point(gradient, GRADIENT_FRACTION_BITS) + self.penalty @ self.weights(values)
        vector = block_direction(
            total,
            totals.gram,
            totals.column_sums,
            rows,
            penalty=self.penalty,
            base_rate=totals.base_rate(),
            total_weight=totals.training_weight,
        )
        self._run.store.write_arrays(f"direction/{round_number:04}", {"vector": vector})
        return vector

    def image(self, vector: Vector) -> Vector | float:
        """The image of a direction on this bank's cohort, `(rows,)`; zero without a block."""
        return 0.0 if self.block is None else self.block.image(self._codes, vector)

    def penalty_products(self, round_number: int, vector: Vector) -> Vector:
        """Products `(round_number,)` in the penalty of `vector`, the round's direction, with all up to itself."""
        if self.block is None:
            return np.zeros(round_number)
        return np.array([self._direction(earlier) @ self.penalty @ vector for earlier in range(1, round_number + 1)])

    def weights(self, values: Vector) -> Vector:
        """The parameters `(size,)`: coefficients times directions."""
        weights = np.zeros(self.size)
        if self.block is not None:
            for number, value in enumerate(values, start=1):
                weights += value * self._direction(number)
        return weights

    @cached_property
    def penalty(self) -> NDArray[np.float64]:
        """The penalty matrix `(size, size)`."""
        plan = self._run.plan
        if self.block is None:
            return np.zeros((0, 0))
        return self.block.penalty_matrix(plan.smoothness, plan.ridge)

    @cached_property
    def _codes(self) -> NDArray[np.uint16]:
        return own_codes(self._run)

    @cached_property
    def _columns(self) -> NDArray[np.float64]:
        if self.block is None:
            return np.zeros((0, 0))
        return self.block.columns(self._codes).astype(np.float64)

    def _direction(self, round_number: int) -> Vector:
        vector: Vector = self._run.store.read_arrays(f"direction/{round_number:04}")["vector"]
        return vector
