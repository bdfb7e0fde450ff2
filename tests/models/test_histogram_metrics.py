"""Metrics from sums of histograms against the same metrics from rows."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit

from models.errors import InvalidModelInput
from models.histogram_metrics import CELLS, HISTOGRAM_WORDS, ScoreHistogram, score_histogram
from models.metrics import auc, brier, ks
from models.points import PointsScale


def sample(rows: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    log_odds = rng.normal(-1.5, 1.2, rows)
    return (rng.random(rows) < expit(log_odds)).astype(float), log_odds


def total_over_banks() -> ScoreHistogram:
    labels, log_odds = sample()
    everybody = np.ones(len(labels), dtype=bool)
    parts = [
        score_histogram(labels[part], log_odds[part], everybody[part]) for part in (slice(0, 900), slice(900, None))
    ]
    return ScoreHistogram(np.stack(parts).sum(axis=0, dtype=np.uint64))


def test_metrics_of_the_total_are_those_of_all_rows() -> None:
    labels, log_odds = sample()
    total = total_over_banks()
    assert total.roc().auc == pytest.approx(auc(labels, log_odds), abs=1e-4)
    assert total.roc().ks == pytest.approx(ks(labels, log_odds), abs=3e-3)
    assert total.brier() == pytest.approx(brier(labels, expit(log_odds)), abs=1e-5)


def test_calibration_and_bands_cover_everybody() -> None:
    labels, log_odds = sample()
    total = total_over_banks()
    rows = total.calibration(10)
    assert len(rows) == 10
    assert sum(row.enterprises for row in rows) == len(labels)
    assert all(abs(row.mean_prediction - row.default_rate) < 0.06 for row in rows)
    bands = total.bands(PointsScale())
    assert sum(band.enterprises for band in bands) == len(labels)
    assert sum(band.defaults for band in bands) == labels.sum()
    assert all(high.low == low.high for low, high in pairwise(bands))
    scores = PointsScale().score(log_odds)
    inside = ((scores >= bands[3].low) & (scores < bands[3].high)).sum()
    assert bands[3].enterprises == pytest.approx(inside, abs=40)


def test_rows_that_are_not_counted_and_values_beyond_the_cells_are_handled() -> None:
    labels, log_odds = np.array([0.0, 1.0, np.nan]), np.array([-99.0, 99.0, np.nan])
    words = score_histogram(labels, log_odds, np.array([True, True, False]))
    assert words[0] == 1
    assert words[HISTOGRAM_WORDS - 1] == 1
    assert words.sum() == 2
    assert ScoreHistogram(words).roc().auc == 1


def test_counts_that_are_no_histogram_are_refused() -> None:
    with pytest.raises(InvalidModelInput):
        ScoreHistogram(np.zeros(CELLS, dtype=np.uint64))
    with pytest.raises(InvalidModelInput):
        ScoreHistogram(np.zeros(HISTOGRAM_WORDS, dtype=np.uint64))
    with pytest.raises(InvalidModelInput):
        ScoreHistogram(np.full(HISTOGRAM_WORDS, 2**63, dtype=np.uint64))
    with pytest.raises(InvalidModelInput):
        score_histogram(np.array([0.5]), np.array([0.0]), np.array([True]))
    with pytest.raises(InvalidModelInput):
        total_over_banks().bands(PointsScale(), width=0)
