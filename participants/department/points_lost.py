"""Points lost by reason family as a department keeps them: beside each partial, for each family that its block has.

A cell is a little-endian number of 32 bits for each of these families, in fixed point (`models/reasons/lost.py`): 20
bytes for a block of five families. Which families they are is said once a table, by their codes: rows outlive a list
that grows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidModelInput
from models.reasons.errors import ReasonsNotKept
from models.reasons.words import words_in_order

_NUMBER: Final = np.dtype("<i4")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PointsLost:
    """What enterprises lose at one block. codes: its families, in the order of the list.

    rows: (enterprises, codes) int32. absent: (codes,) int32, of a record without values.
    """

    codes: tuple[str, ...]
    rows: NDArray[np.int32]
    absent: NDArray[np.int32]

    def __post_init__(self) -> None:
        width = (len(self.codes),)
        if not self.codes or self.rows.shape[1:] != width or self.absent.shape != width:
            raise InvalidModelInput("points lost are a number for each reason family of the block")

    @property
    def families(self) -> str:
        """The codes, as they are kept."""
        return " ".join(self.codes)

    @property
    def absent_cell(self) -> bytes:
        """The cell of a record without values."""
        return self.absent.astype(_NUMBER).tobytes()


class Cells:
    """The cell of each row of points lost, `(enterprises, codes)`, cut when it is asked for."""

    def __init__(self, rows: NDArray[np.int32]) -> None:
        self._width = rows.shape[1] * _NUMBER.itemsize
        self._bytes = rows.astype(_NUMBER, copy=False).tobytes()

    def of(self, order: NDArray[np.int64]) -> Iterator[bytes]:
        """The cells of these rows."""
        for start in (order * self._width).tolist():
            yield self._bytes[start : start + self._width]


def words_of(families: str | None, cell: bytes | None) -> NDArray[np.uint64]:
    """The words of one enterprise, one for each family of the list; of those that its block has not, 0.

    families, cell: as they are kept. Raises `ReasonsNotKept` where there are none, or of a list that is not this
    release's.
    """
    codes = (families or "").split()
    if not codes or cell is None or len(cell) != len(codes) * _NUMBER.itemsize:
        raise ReasonsNotKept
    try:
        return words_in_order(codes, np.frombuffer(cell, _NUMBER))
    except InvalidModelInput:
        raise ReasonsNotKept from None
