"""Bins: every value falls into exactly one, about as many into each."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.binning import fit_bins_within, fit_category_bins, fit_numeric_bins
from models.errors import InvalidModelInput
from models.feature_bins import Column, FeatureBins, FeatureKind

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(values=st.lists(finite | st.just(float("nan")), min_size=1, max_size=200), bins=st.integers(1, 12))
def test_every_number_falls_into_one_bin_and_order_is_kept(values: list[float], bins: int) -> None:
    column = np.array(values)
    made = fit_numeric_bins("x", column, maximum_bins=bins, minimum_rows=1)
    codes = made.encode(column)
    assert made.count <= bins + 2
    assert (codes < made.count).all()
    assert (codes[np.isnan(column)] == made.missing).all()
    known = ~np.isnan(column)
    order = np.argsort(column[known])
    assert (np.diff(codes[known][order].astype(int)) >= 0).all()


@given(seed=st.integers(0, 1000), bins=st.integers(2, 20))
def test_bins_of_a_continuous_feature_hold_about_as_many(seed: int, bins: int) -> None:
    column = np.random.default_rng(seed).lognormal(size=2000)
    made = fit_numeric_bins("x", column, maximum_bins=bins)
    sizes = np.bincount(made.encode(column), minlength=made.count)[:-1]
    assert len(made.edges) == bins - 1
    assert sizes.min() > 0.8 * 2000 / bins
    assert sizes.max() < 1.2 * 2000 / bins


def test_a_value_that_many_share_has_a_bin_of_its_own() -> None:
    column = np.concatenate([np.zeros(900), np.arange(1, 101), -np.arange(1.0, 101)])
    made = fit_numeric_bins("x", column, maximum_bins=8)
    codes = made.encode(column)
    zero = codes[0]
    assert (codes == zero).sum() < 930


def test_few_distinct_values_each_keep_a_bin_if_common_enough() -> None:
    column = np.repeat([-2.0, -1, 0, 1, 2, 3, 4], [100, 100, 5000, 100, 100, 30, 3])
    made = fit_numeric_bins("late", column, maximum_bins=16)
    assert made.edges == (-2.0, -1.0, 0.0, 1.0, 2.0)


def test_a_feature_without_values_has_one_interval_and_the_missing_bin() -> None:
    made = fit_numeric_bins("x", np.full(5, np.nan))
    assert made.count == 2
    assert (made.encode(np.array([np.nan, 3.0])) == [1, 0]).all()


def test_categories_are_ranked_and_the_rare_the_missing_and_the_unseen_are_told_apart() -> None:
    made = fit_category_bins("state", ["b"] * 30 + ["a"] * 40 + ["rare"] + [None] * 3, maximum_bins=5)
    assert made.categories == ("a", "b")
    assert made.encode(["a", "b", None, "rare", "never"]).tolist() == [0, 1, 2, 3, 3]
    assert [made.label(index) for index in range(4)] == ["a", "b", "missing", "other"]


def test_labels_of_a_number_read_as_intervals() -> None:
    made = FeatureBins(name="x", kind=FeatureKind.NUMBER, edges=(5.0, 1234.5))
    assert [made.label(index) for index in range(4)] == ["<= 5", "5 .. 1,234.5", "> 1,234.5", "missing"]
    with pytest.raises(InvalidModelInput):
        made.label(4)


@given(edges=st.lists(finite, max_size=20, unique=True))
def test_bins_survive_json(edges: list[float]) -> None:
    # -0.0 and 0.0 are one number, so they are no two edges.
    ordered = tuple(sorted({edge + 0.0 for edge in edges}))
    made = FeatureBins(name="x", kind=FeatureKind.NUMBER, edges=ordered)
    assert FeatureBins.from_json(json.loads(json.dumps(made.to_json()))) == made


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "kind", "edges", "categories", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(data=anything)
def test_only_our_error_escapes_from_reading_bins(data: object) -> None:
    try:
        made = FeatureBins.from_json(data)
    except InvalidModelInput:
        return
    assert made.to_json() == data


@pytest.mark.parametrize(
    "data",
    [
        {"name": "x", "kind": "number", "edges": [2.0, 1.0]},
        {"name": "x", "kind": "number", "edges": [float("nan")]},
        {"name": "x", "kind": "number", "edges": [1]},
        {"name": "x", "kind": "category", "edges": [1.0]},
        {"name": "x", "kind": "category", "categories": ["a", "a"]},
        {"name": "", "kind": "category", "categories": []},
        {"name": "x", "kind": "category", "categories": [], "more": 1},
        {"name": "x", "kind": ["number"], "edges": []},
    ],
)
def test_bins_that_contradict_themselves_are_refused(data: object) -> None:
    with pytest.raises(InvalidModelInput):
        FeatureBins.from_json(data)


def test_infinities_and_text_are_no_numbers() -> None:
    made = FeatureBins(name="x", kind=FeatureKind.NUMBER, edges=(0.0,))
    for values in (np.array([np.inf]), ["a"], np.zeros((2, 2))):
        with pytest.raises(InvalidModelInput):
            made.encode(values)


def test_a_block_is_coarsened_until_it_fits_its_limit() -> None:
    rng = np.random.default_rng(0)
    features: dict[str, Column] = {
        "x": rng.normal(size=3000),
        "z": rng.normal(size=3000),
        "k": list(rng.choice(list("abcdef"), 3000)),
    }
    fine = fit_bins_within(features, parameter_limit=1000, maximum_bins=32)
    assert [bins.count for bins in fine] == [33, 33, 8]
    coarse = fit_bins_within(features, parameter_limit=40)
    assert sum(bins.count for bins in coarse) <= 40
    assert [bins.kind for bins in coarse] == [FeatureKind.NUMBER, FeatureKind.NUMBER, FeatureKind.CATEGORY]
    with pytest.raises(InvalidModelInput):
        fit_bins_within(features, parameter_limit=5)
