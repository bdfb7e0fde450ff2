"""Points lost by family: each feature against its best, summed by family, in fixed point."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from models.additive import BinnedBlock
from models.block_file import AnyBlock
from models.errors import InvalidModelInput
from models.feature_bins import Column, FeatureBins, FeatureKind
from models.linear import LinearBlock, LinearFeature
from models.reasons.families import ReasonFamily, packaged_families
from models.reasons.lost import LostByFamily
from models.reasons.words import MOST_LOST

ONE = 2**24
LATE = FeatureBins(name="late", kind=FeatureKind.NUMBER, edges=(0.0, 2.0))
RATING = FeatureBins(name="rating", kind=FeatureKind.CATEGORY, categories=("A", "B"))
USE = FeatureBins(name="use", kind=FeatureKind.NUMBER, edges=(5.0,))
WEIGHTS = [-1.0, 0.0, 1.0, 0.25, -0.5, 0.5, 0.0, 0.125, 0.5, -0.75, 0.0]
BLOCK = BinnedBlock([LATE, RATING, USE], np.array(WEIGHTS))
FAMILY_OF = {"late": "TX1", "rating": "TX1", "use": "UT1"}


def lost(block: AnyBlock, family_of: dict[str, str], **values: Column) -> list[list[float]]:
    codes: NDArray[Any] = block.encode(values)
    found: list[list[float]] = (LostByFamily(block, family_of).lost(block.contributions(codes)) / ONE).tolist()
    return found


def test_each_feature_is_measured_against_its_best_bin_and_families_are_summed() -> None:
    found = lost(BLOCK, FAMILY_OF, late=np.array([0.0, 3.0]), rating=["A", "B"], use=np.array([6.0, 1.0]))
    assert LostByFamily(BLOCK, FAMILY_OF).codes == ("TX1", "UT1")
    assert found == [[0.0, 0.0], [3.0, 1.25]]


def test_a_feature_of_no_family_is_of_the_general_one_and_codes_are_in_the_order_of_the_list() -> None:
    found = LostByFamily(BLOCK, {"late": "UT1", "use": "TX1"})
    assert found.codes == ("GE1", "TX1", "UT1")
    assert (found.lost(BLOCK.contributions(BLOCK.absent_codes(1))) / ONE).tolist() == [[0.5, 0.75, 1.25]]


def test_a_family_that_is_not_in_the_list_is_refused() -> None:
    with pytest.raises(InvalidModelInput, match="not in the list"):
        LostByFamily(BLOCK, {"late": "ZZ9"})


def test_a_linear_feature_is_measured_against_its_centre() -> None:
    features = [LinearFeature(name=name, centre=10.0, spread=4.0) for name in ("late", "use")]
    block = LinearBlock(features, np.array([0.5, -0.25, 0.125, -0.5]) / 32)
    values = {"late": np.array([10.0, 14.0, 6.0, np.nan]), "use": np.array([10.0, 6.0, 14.0, np.nan])}
    found = lost(block, {"late": "TX1", "use": "UT1"}, **values)
    assert found == [[0.0, 0.0], [0.5, 0.25], [0.0, 0.0], [0.125, 0.0]]


@given(
    arrays(np.float64, 11, elements=st.floats(-20, 20)),
    st.lists(st.sampled_from(packaged_families().families), min_size=3, max_size=3),
    arrays(np.uint16, (5, 3), elements=st.integers(0, 2)),
)
def test_nothing_is_lost_below_zero_and_families_add_up_to_the_distance_from_the_best(
    weights: NDArray[np.float64], drawn: list[ReasonFamily], codes: NDArray[np.uint16]
) -> None:
    block = BinnedBlock([LATE, RATING, USE], weights)
    family_of = dict(zip(block.feature_names, (family.code for family in drawn), strict=True))
    found = LostByFamily(block, family_of)
    rows = found.lost(block.contributions(codes))
    assert rows.dtype == np.int32
    assert rows.shape == (5, len(set(family_of.values())))
    assert (rows >= 0).all()
    best = sum(float(part.min()) for part in np.split(weights, [4, 8]))
    distance = (block.image(codes, weights) - best) * ONE
    assert np.abs(rows.astype(np.int64).sum(axis=1) - distance).max() <= 3


def test_more_than_the_form_holds_is_cut() -> None:
    block = BinnedBlock([USE], np.array([0.0, 1000.0, -1000.0]))
    rows = LostByFamily(block, {}).lost(block.contributions(np.array([[1]], np.uint16)))
    assert rows.tolist() == [[MOST_LOST]]
