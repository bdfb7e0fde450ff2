"""Points: the scale, exact sums, and the bound on rounding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.additive import BinnedBlock
from models.errors import InvalidModelInput
from models.feature_bins import FeatureBins, FeatureKind
from models.points import PointsScale, points_that_add_up
from models.scorecard import BlockScorecard, base_points


def test_at_the_base_odds_a_score_is_the_base_and_twice_the_odds_are_twenty_points_more() -> None:
    scale = PointsScale()
    log_odds_default = -np.log(np.array([20.0, 40.0, 10.0]))
    assert scale.points(log_odds_default).tolist() == [600, 620, 580]
    assert scale.probability_of_default(np.array([600.0])) == pytest.approx([1 / 21])


@given(log_odds=st.floats(-30, 30))
def test_scores_and_log_odds_are_inverses(log_odds: float) -> None:
    scale = PointsScale(base_score=500, base_odds_good_to_bad=3, points_to_double_odds=50)
    assert scale.log_odds_default(scale.score(np.array([log_odds]))) == pytest.approx([log_odds], abs=1e-9)


@given(seed=st.integers(0, 10_000))
def test_attribute_points_sum_to_the_score_within_the_bound(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scale, intercept = PointsScale(), float(rng.normal())
    features = [FeatureBins(name=name, kind=FeatureKind.NUMBER, edges=(0.0, 1.0)) for name in "abc"]
    block = BinnedBlock(features, rng.normal(size=12))
    card = BlockScorecard.of(block, scale)
    codes = rng.integers(0, 4, size=(20, 3)).astype(np.uint16)
    score = base_points(intercept, scale) + card.feature_points(codes).sum(axis=1)
    exact = scale.score(intercept + block.image(codes, block.weights_array()))
    assert np.abs(score - exact).max() <= (3 + 1) / 2
    # What a person adds up from the printed lines is the score.
    lines = card.attributes()
    printed = [sum(lines[index].points for index in places) for places in block.places(codes)]
    assert (base_points(intercept, scale) + np.array(printed) == score).all()


@given(parts=st.lists(st.floats(-1000, 1000), min_size=1, max_size=30))
def test_apportioned_points_sum_to_the_rounded_sum_and_stay_within_one(parts: list[float]) -> None:
    points = points_that_add_up(np.array(parts))
    assert abs(points.sum() - sum(parts)) <= 0.5 + 1e-9
    assert (np.abs(points - np.array(parts)) <= 1).all()


def test_more_risk_never_gives_more_points() -> None:
    block = BinnedBlock([FeatureBins(name="a", kind=FeatureKind.NUMBER, edges=(0.0,))], np.array([0.5, -0.5, 0.0]))
    card = BlockScorecard.of(block, PointsScale())
    assert [line.points for line in card.attributes()] == [-14, 14, 0]
    assert [line.attribute for line in card.attributes()] == ["<= 0", "> 0", "missing"]


def test_scales_and_points_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InvalidModelInput):
        PointsScale(points_to_double_odds=0)
    with pytest.raises(InvalidModelInput):
        PointsScale(base_odds_good_to_bad=-1)
    with pytest.raises(InvalidModelInput):
        points_that_add_up(np.array([np.nan]))
