"""Bins for features that several banks share, from sums of histograms alone.

Each bank counts its values in fixed public cells, the banks add the counts (a masked sum), and each makes the same
bins from the same total: no bank sees another's values or even its histogram.

The cells are the top 12 bits of the 32-bit float's key: sign, exponent and three bits of the mantissa, so that a cell
is about 12 % wide whatever the feature's unit. The key is the float's bits with all bits flipped for negative numbers
and the sign flipped for others (the usual radix-sort key), which orders cells as it orders numbers. One more cell
counts missing values.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from models.binning import DEFAULT_MAXIMUM_BINS, MINIMUM_ROWS, category_bins_from_counts, equal_count_ends
from models.errors import InvalidModelInput
from models.feature_bins import Column, FeatureBins, FeatureKind, as_numbers

VALUE_CELLS: Final = 1 << 12
HISTOGRAM_LENGTH: Final = VALUE_CELLS + 1
_SHIFT: Final = np.uint32(20)
_SIGN: Final = np.uint32(1 << 31)

Counts = npt.NDArray[np.uint64]


def value_histogram(name: str, values: Column, weights: npt.NDArray[np.float64] | None = None) -> Counts:
    """Return how many values fall into each public cell, (HISTOGRAM_LENGTH,) uint64, the last cell for missing ones.

    Rows of weight 0 are not counted. Numbers beyond the 32-bit floats' range are refused.
    """
    numbers = as_numbers(name, values)
    if weights is not None:
        numbers = numbers[weights > 0]
    present = numbers[~np.isnan(numbers)]
    if (np.abs(present) > np.finfo(np.float32).max).any():
        raise InvalidModelInput(f"feature {name}: a number is too large for the cells of a histogram")
    bits = (present + 0.0).astype(np.float32).view(np.uint32)
    key = np.where(bits & _SIGN, ~bits, bits ^ _SIGN)
    counts = np.bincount(key >> _SHIFT, minlength=HISTOGRAM_LENGTH)
    counts[-1] = len(numbers) - len(present)
    return counts.astype(np.uint64)


def cell_upper_bound(cell: int) -> float:
    """Return the largest number (a 32-bit float) of a cell."""
    key = np.array([(cell << int(_SHIFT)) | ((1 << int(_SHIFT)) - 1)], dtype=np.uint32)
    bits = np.where(key & _SIGN, key ^ _SIGN, ~key).astype(np.uint32)
    return float(bits.view(np.float32)[0])


def numeric_bins_from_histogram(
    name: str, counts: Counts, *, maximum_bins: int = DEFAULT_MAXIMUM_BINS, minimum_rows: int = MINIMUM_ROWS
) -> FeatureBins:
    """Return the bins of a feature from the sum of all banks' histograms of it; edges are bounds of cells."""
    if counts.shape != (HISTOGRAM_LENGTH,):
        raise InvalidModelInput(f"feature {name}: a histogram has {HISTOGRAM_LENGTH} cells")
    cells = counts[:-1].astype(np.int64)
    if (cells < 0).any():
        raise InvalidModelInput(f"feature {name}: a count is too large to be one")
    ends = equal_count_ends(cells, maximum_bins=maximum_bins, minimum_rows=minimum_rows)
    return FeatureBins(name=name, kind=FeatureKind.NUMBER, edges=tuple(cell_upper_bound(end) for end in ends))


def category_histogram(
    name: str, values: Column, allowed: tuple[str, ...], weights: npt.NDArray[np.float64] | None = None
) -> Counts:
    """Return how many values are in each of the contract's `allowed` categories, (len(allowed),) uint64."""
    codes = FeatureBins(name=name, kind=FeatureKind.CATEGORY, categories=allowed).encode(values)
    if weights is not None:
        codes = codes[weights > 0]
    return np.bincount(codes, minlength=len(allowed) + 2)[: len(allowed)].astype(np.uint64)


def category_bins_from_histogram(
    name: str,
    allowed: tuple[str, ...],
    counts: Counts,
    *,
    maximum_bins: int = DEFAULT_MAXIMUM_BINS,
    minimum_rows: int = MINIMUM_ROWS,
) -> FeatureBins:
    """Return the bins of a category from the sum of all banks' counts of its `allowed` values."""
    if counts.shape != (len(allowed),):
        raise InvalidModelInput(f"feature {name}: one count an allowed category is needed")
    named = {category: int(count) for category, count in zip(allowed, counts, strict=True)}
    return category_bins_from_counts(name, named, maximum_bins=maximum_bins, minimum_rows=minimum_rows)
