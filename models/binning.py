"""Making bins from a department's own data, so that each holds about as many enterprises.

A value that many enterprises share gets a bin of its own before quantiles are cut; where there are fewer distinct
values than bins, each that is common enough keeps its own. No bin is made for fewer than `MINIMUM_ROWS` enterprises.
Bins never leave the department: they are part of its block. Banks, which share one block, make theirs from sums of
histograms (`shared_binning`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import InvalidModelInput
from models.feature_bins import Codes, Column, FeatureBins, FeatureKind, as_numbers

__all__ = [
    "DEFAULT_MAXIMUM_BINS",
    "MINIMUM_ROWS",
    "Codes",
    "Column",
    "FeatureBins",
    "FeatureKind",
    "fit_bins_within",
    "fit_category_bins",
    "fit_numeric_bins",
]

DEFAULT_MAXIMUM_BINS: Final = 16
MINIMUM_ROWS: Final = 20
_WIDTHS: Final = (64, 56, 48, 40, 36, 32, 28, 24, 20, 18, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)


def fit_numeric_bins(
    name: str, values: Column, *, maximum_bins: int = DEFAULT_MAXIMUM_BINS, minimum_rows: int = MINIMUM_ROWS
) -> FeatureBins:
    """Return bins of about equal counts; `values` (rows,) with NaN for missing. At most `maximum_bins` intervals."""
    numbers = as_numbers(name, values)
    distinct, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    ends = equal_count_ends(counts, maximum_bins=maximum_bins, minimum_rows=minimum_rows)
    return FeatureBins(name=name, kind=FeatureKind.NUMBER, edges=tuple(float(distinct[end]) for end in ends))


def fit_category_bins(
    name: str,
    values: Sequence[str | None],
    *,
    maximum_bins: int = DEFAULT_MAXIMUM_BINS,
    minimum_rows: int = MINIMUM_ROWS,
) -> FeatureBins:
    """Return one bin for each of the commonest categories, at most `maximum_bins`, the commonest first."""
    return category_bins_from_counts(
        name,
        Counter(str(value) for value in values if value is not None),
        maximum_bins=maximum_bins,
        minimum_rows=minimum_rows,
    )


def category_bins_from_counts(
    name: str,
    counts: Mapping[str, int],
    *,
    maximum_bins: int = DEFAULT_MAXIMUM_BINS,
    minimum_rows: int = MINIMUM_ROWS,
) -> FeatureBins:
    """Return the bins of categories that were counted already, as banks' are; ties go by name, so all agree."""
    ranked = sorted(counts, key=lambda category: (-counts[category], category))
    kept = [category for category in ranked[:maximum_bins] if counts[category] >= minimum_rows]
    return FeatureBins(name=name, kind=FeatureKind.CATEGORY, categories=tuple(kept))


def fit_bins_within(
    features: Mapping[str, Column],
    *,
    parameter_limit: int,
    maximum_bins: int = DEFAULT_MAXIMUM_BINS,
    minimum_rows: int = MINIMUM_ROWS,
) -> tuple[FeatureBins, ...]:
    """Return the finest bins of a block's features that together have at most `parameter_limit` parameters.

    A run allows a block so many parameters (`parameter_limit` of a run is rows / (10 rounds)); all of the block's
    features are coarsened together. A column of numpy floats is a number, any other sequence a category.
    """
    for width in (width for width in _WIDTHS if width <= maximum_bins):
        block = tuple(
            fit_numeric_bins(name, values, maximum_bins=width, minimum_rows=minimum_rows)
            if isinstance(values, np.ndarray)
            else fit_category_bins(name, values, maximum_bins=width, minimum_rows=minimum_rows)
            for name, values in features.items()
        )
        if sum(bins.count for bins in block) <= parameter_limit:
            return block
    raise InvalidModelInput(
        f"{len(features)} features do not fit into {parameter_limit} parameters",
        advice="Use fewer features or fewer rounds, or train on more enterprises.",
    )


def equal_count_ends(counts: npt.NDArray[np.int64], *, maximum_bins: int, minimum_rows: int) -> list[int]:
    """Return the last index of each bin but the last, where ordered values with these counts are cut evenly.

    Greedy from below: a bin is closed when it is nearer to its even share of what is left than with the next value in
    it, or when there are no more values left than bins. A last bin that is too small joins the one before.
    """
    if maximum_bins < 1 or minimum_rows < 0:
        raise InvalidModelInput("at least one bin, and no negative number of rows in it")
    (occupied,) = np.nonzero(counts)
    sizes = np.asarray(counts)[occupied].tolist()
    ends: list[int] = []
    left, held = sum(sizes), 0
    for place, size in enumerate(sizes[:-1]):
        bins_left = maximum_bins - len(ends)
        if bins_left <= 1:
            break
        held += size
        plenty = len(sizes) - place - 1 <= bins_left - 1
        if held >= minimum_rows and (plenty or held + sizes[place + 1] / 2 > left / bins_left):
            ends.append(int(occupied[place]))
            left, held = left - held, 0
    if ends and left < minimum_rows:
        ends.pop()
    return ends
