"""Metrics against scikit-learn and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import brier_score_loss, roc_auc_score

from models.errors import InvalidModelInput
from models.metrics import auc, brier, calibration_table, gini, ks, population_stability, roc_curve


def sample(seed: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(300) < 0.3).astype(float)
    labels[:2] = (0, 1)
    return labels, np.round(rng.normal(size=300) + labels, levels)


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), levels=st.integers(0, 5))
def test_ranking_metrics_agree_with_scikit_learn_and_scipy_ties_included(seed: int, levels: int) -> None:
    labels, predictions = sample(seed, levels)
    assert auc(labels, predictions) == pytest.approx(roc_auc_score(labels, predictions))
    assert ks(labels, predictions) == pytest.approx(
        ks_2samp(predictions[labels == 1], predictions[labels == 0]).statistic
    )
    assert gini(labels, predictions) == pytest.approx(2 * roc_auc_score(labels, predictions) - 1)


def test_weights_count_and_rows_of_weight_zero_do_not() -> None:
    labels, predictions = sample(1, 1)
    weights = np.random.default_rng(2).integers(0, 4, 300).astype(float)
    assert auc(labels, predictions, weights) == pytest.approx(roc_auc_score(labels, predictions, sample_weight=weights))
    unknown = labels.copy()
    unknown[weights == 0] = np.nan
    assert auc(unknown, predictions, weights) == auc(labels, predictions, weights)


def test_the_curve_runs_from_corner_to_corner() -> None:
    curve = roc_curve(*sample(3, 1))
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
    assert (np.diff(curve.true_positive_rate) >= 0).all()


def test_brier_agrees_with_scikit_learn() -> None:
    labels, predictions = sample(4, 3)
    probabilities = 1 / (1 + np.exp(-predictions))
    assert brier(labels, probabilities) == pytest.approx(brier_score_loss(labels, probabilities))


def test_calibration_groups_cover_everybody_and_part_no_ties() -> None:
    labels, predictions = sample(5, 1)
    probabilities = 1 / (1 + np.exp(-predictions))
    table = calibration_table(labels, probabilities, groups=5)
    assert sum(row.enterprises for row in table) == 300
    assert sum(row.enterprises * row.default_rate for row in table) == pytest.approx(labels.sum())
    means = [row.mean_prediction for row in table]
    assert means == sorted(means)
    assert len(calibration_table(labels, np.full(300, 0.3), groups=5)) == 1


def test_population_stability_is_what_one_computes_by_hand() -> None:
    expected, actual = np.array([50.0, 50.0]), np.array([80.0, 20.0])
    by_hand = 0.3 * np.log(0.8 / 0.5) + -0.3 * np.log(0.2 / 0.5)
    assert population_stability(expected, actual, prior=1e-12) == pytest.approx(by_hand)
    assert population_stability(expected, expected * 7, prior=1e-12) == pytest.approx(0)
    assert population_stability(np.array([10.0, 0.0]), np.array([0.0, 10.0])) > 1


def test_what_cannot_be_measured_is_refused() -> None:
    one, two = np.ones(1), np.ones(2)
    for act in (
        lambda: auc(two, two),
        lambda: auc(two, one),
        lambda: auc(np.array([0.0, 2.0]), two),
        lambda: auc(np.array([0.0, 1.0]), np.array([0.0, np.nan])),
        lambda: brier(two, two, np.zeros(2)),
        lambda: calibration_table(two, two, groups=0),
        lambda: population_stability(one, two),
        lambda: population_stability(np.zeros(2), two),
    ):
        with pytest.raises(InvalidModelInput):
            act()
