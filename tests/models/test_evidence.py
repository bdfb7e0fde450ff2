"""Weight of evidence and information value against counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidModelInput
from models.evidence import defaults_from_gradient, information_value, weight_of_evidence


def test_weight_of_evidence_is_what_one_computes_by_hand() -> None:
    counts, defaults = np.array([100.0, 300.0]), np.array([20.0, 10.0])
    tiny = 1e-12
    woe = weight_of_evidence(counts, defaults, prior=tiny)
    assert woe == pytest.approx([np.log((80 / 370) / (20 / 30)), np.log((290 / 370) / (10 / 30))])
    expected = (80 / 370 - 20 / 30) * woe[0] + (290 / 370 - 10 / 30) * woe[1]
    assert information_value(counts, defaults, prior=tiny) == pytest.approx(expected)


def test_the_first_gradient_gives_the_defaults_of_each_bin() -> None:
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(0, 5, 1000), (rng.random(1000) < 0.2).astype(float)
    columns = np.eye(5)[codes]
    rate = labels.mean()
    gradient = columns.T @ (rate - labels)
    counts = columns.sum(axis=0)
    assert defaults_from_gradient(gradient, counts, rate) == pytest.approx(columns.T @ labels)


def test_empty_bins_and_bins_without_defaults_have_finite_weights() -> None:
    woe = weight_of_evidence(np.array([10.0, 0.0, 50.0]), np.array([0.0, 0.0, 5.0]))
    assert np.isfinite(woe).all()
    assert woe[1] == 0
    assert woe[0] > 0 > woe[2]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12).filter(
        lambda pairs: any(good for good, _ in pairs) and any(bad for _, bad in pairs)
    )
)
def test_information_value_is_finite(pairs: list[tuple[int, int]]) -> None:
    goods, bads = np.array(pairs, dtype=float).T
    assert np.isfinite(information_value(goods + bads, bads))


@pytest.mark.parametrize(
    ("counts", "defaults"),
    [([10.0], [11.0]), ([10.0, 5.0], [1.0]), ([10.0], [-1.0]), ([10.0], [10.0]), ([10.0], [0.0])],
)
def test_counts_that_cannot_be_are_refused(counts: list[float], defaults: list[float]) -> None:
    with pytest.raises(InvalidModelInput):
        weight_of_evidence(np.array(counts), np.array(defaults))
