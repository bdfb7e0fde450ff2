"""Bins made from sums of histograms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidModelInput
from models.shared_binning import (
    HISTOGRAM_LENGTH,
    category_bins_from_histogram,
    category_histogram,
    cell_upper_bound,
    numeric_bins_from_histogram,
    value_histogram,
)

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(first=numbers, second=numbers)
def test_cells_are_in_the_order_of_numbers(first: float, second: float) -> None:
    cells = [int(np.argmax(value_histogram("x", np.array([value])))) for value in (first, second)]
    if first <= second:
        assert cells[0] <= cells[1]
    for value, cell in zip((first, second), cells, strict=True):
        assert value <= cell_upper_bound(cell)


def test_a_cell_is_about_an_eighth_wide() -> None:
    for value in (1.01, 37.0, 5e8, -3.3):
        cell = int(np.argmax(value_histogram("x", np.array([value]))))
        width = cell_upper_bound(cell) - cell_upper_bound(cell - 1)
        assert 0.06 < width / abs(value) < 0.13


def test_banks_make_the_bins_that_their_pooled_values_would_give() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.lognormal(10, 1, size=size) for size in (500, 2500)]
    total = np.stack([value_histogram("loan", part) for part in parts]).sum(axis=0, dtype=np.uint64)
    assert np.array_equal(total, value_histogram("loan", np.concatenate(parts)))
    made = numeric_bins_from_histogram("loan", total, maximum_bins=10)
    sizes = np.bincount(made.encode(np.concatenate(parts)), minlength=made.count)[:-1]
    assert sizes.min() > 0.4 * 300
    assert sizes.max() < 2.0 * 300


def test_missing_values_and_rows_of_weight_zero_are_counted_apart_or_not_at_all() -> None:
    counts = value_histogram("x", np.array([1.0, np.nan, 2.0]), np.array([1.0, 1.0, 0.0]))
    assert counts.sum() == 2
    assert counts[-1] == 1


def test_categories_are_counted_over_the_allowed_ones() -> None:
    counts = category_histogram("kind", ["b", "a", "b", None, "x"], ("a", "b", "c"))
    assert counts.tolist() == [1, 2, 0]
    made = category_bins_from_histogram("kind", ("a", "b", "c"), counts, minimum_rows=1)
    assert made.categories == ("b", "a")
    weighted = category_histogram("kind", ["b", "a"], ("a", "b"), np.array([0.0, 1.0]))
    assert weighted.tolist() == [1, 0]


def test_histograms_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidModelInput):
        value_histogram("x", np.array([1e300]))
    with pytest.raises(InvalidModelInput):
        numeric_bins_from_histogram("x", np.zeros(5, dtype=np.uint64))
    with pytest.raises(InvalidModelInput):
        numeric_bins_from_histogram("x", np.full(HISTOGRAM_LENGTH, 2**63, dtype=np.uint64))
    with pytest.raises(InvalidModelInput):
        category_bins_from_histogram("x", ("a",), np.zeros(2, dtype=np.uint64))


def test_counts_in_cells_that_no_finite_number_has_are_refused() -> None:
    counts = np.zeros(HISTOGRAM_LENGTH, dtype=np.uint64)
    counts[4090:4095] = 100
    with pytest.raises(InvalidModelInput):
        numeric_bins_from_histogram("x", counts)
