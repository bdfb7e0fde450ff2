"""Binned blocks: columns, images, weights and penalties agree with each other."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.additive import BinnedBlock
from models.errors import InvalidModelInput
from models.feature_bins import FeatureBins, FeatureKind

AGE = FeatureBins(name="age", kind=FeatureKind.NUMBER, edges=(20.0, 30.0, 40.0, 50.0))
STATE = FeatureBins(name="state", kind=FeatureKind.CATEGORY, categories=("CA", "TX"))


def test_columns_have_one_in_the_bin_of_each_feature() -> None:
    block = BinnedBlock([AGE, STATE])
    codes = block.encode({"state": ["TX", None], "age": np.array([25.0, np.nan])})
    assert codes.tolist() == [[1, 1], [5, 2]]
    columns = block.columns(codes)
    assert columns.dtype == np.uint8
    assert columns.tolist() == [[0, 1, 0, 0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1, 0, 0, 1, 0]]


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 50))
def test_image_columns_torch_and_contributions_say_the_same(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    block = BinnedBlock([AGE, STATE], rng.normal(size=10))
    codes = np.column_stack((rng.integers(0, 6, rows), rng.integers(0, 4, rows))).astype(np.uint16)
    expected = block.columns(codes) @ block.weights_array()
    assert block.image(codes, block.weights_array()) == pytest.approx(expected)
    assert block.contributions(codes).sum(axis=1) == pytest.approx(expected)
    forward = block(torch.from_numpy(codes.astype(np.int64)))
    assert forward.dtype == torch.float64
    assert forward.numpy() == pytest.approx(expected)


def test_an_absent_enterprise_has_every_feature_missing() -> None:
    block = BinnedBlock([AGE, STATE])
    recorded = block.encode({"age": np.full(3, np.nan), "state": [None] * 3})
    assert np.array_equal(block.absent_codes(3), recorded)


def test_the_penalty_spares_straight_lines_but_for_the_ridge() -> None:
    block = BinnedBlock([AGE, STATE])
    penalty = block.penalty_matrix(smoothness=7.0, ridge=2.0)
    line = np.array([1.0, 2, 3, 4, 5, 0, 0, 0, 0, 0])
    assert line @ penalty @ line == pytest.approx(2 * line @ line)
    bend = np.array([0.0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    assert bend @ penalty @ bend == pytest.approx(2 + 7 * (1 + 4 + 1))
    assert np.array_equal(penalty, penalty.T)
    assert np.linalg.eigvalsh(penalty).min() >= 2 - 1e-9


def test_weights_are_a_copy_and_not_learned_by_autograd() -> None:
    block = BinnedBlock([AGE], np.arange(6.0))
    block.weights_array()[0] = 100
    assert block.weights_array()[0] == 0
    assert not block.weights.requires_grad
    assert "2.0" not in repr(block)


def test_what_does_not_fit_is_refused() -> None:
    block = BinnedBlock([AGE, STATE])
    for act in (
        lambda: BinnedBlock([]),
        lambda: BinnedBlock([AGE, AGE]),
        lambda: block.set_weights(np.zeros(3)),
        lambda: block.set_weights(np.full(10, np.nan)),
        lambda: block.columns(np.zeros((2, 3), dtype=np.uint16)),
        lambda: block.columns(np.full((2, 2), 9, dtype=np.uint16)),
        lambda: block.encode({"age": np.zeros(2)}),
        lambda: block.encode({"age": np.zeros(2), "state": ["CA"]}),
        lambda: block.penalty_matrix(ridge=0.0),
    ):
        with pytest.raises(InvalidModelInput):
            act()
