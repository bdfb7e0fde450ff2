"""Linear blocks: quantised standardised values and indicators of absence."""

import json

import numpy as np
import pytest
import torch

from models.errors import InvalidModelInput
from models.linear import MISSING, STEPS, LinearBlock, LinearFeature, fit_linear_feature


def made_block(rng: np.random.Generator) -> LinearBlock:
    features = [LinearFeature(name="a", centre=10.0, spread=2.0), LinearFeature(name="b", centre=-1.0, spread=0.5)]
    return LinearBlock(features, rng.normal(size=4))


def test_values_are_standardised_quantised_and_clipped() -> None:
    feature = LinearFeature(name="a", centre=10.0, spread=2.0)
    assert feature.encode(np.array([10.0, 12.0, 9.0, 1e9, -1e9, np.nan])).tolist() == [
        0,
        STEPS,
        -STEPS // 2,
        127,
        -127,
        MISSING,
    ]


def test_image_columns_torch_and_contributions_say_the_same() -> None:
    rng = np.random.default_rng(0)
    block = made_block(rng)
    values = rng.normal(size=(40, 2)) * 3
    values[rng.random((40, 2)) < 0.2] = np.nan
    codes = block.encode({"a": values[:, 0], "b": values[:, 1]})
    columns = block.columns(codes)
    assert columns.dtype == np.int8
    expected = columns @ block.weights_array()
    assert block.image(codes, block.weights_array()) == pytest.approx(expected)
    assert block.contributions(codes).sum(axis=1) == pytest.approx(expected)
    assert block(torch.from_numpy(codes)).numpy() == pytest.approx(expected)


def test_an_absent_enterprise_has_every_feature_missing() -> None:
    block = made_block(np.random.default_rng(1))
    nothing = np.full(2, np.nan)
    assert np.array_equal(block.absent_codes(2), block.encode({"a": nothing, "b": nothing}))
    assert block.columns(block.absent_codes(1)).tolist() == [[0, 0, STEPS, STEPS]]


def test_the_scale_of_a_feature_is_not_set_by_its_outliers() -> None:
    column = np.append(np.random.default_rng(2).normal(5, 2, 5000), [1e9, np.nan])
    feature = fit_linear_feature("x", column)
    assert feature.centre == pytest.approx(5, abs=0.2)
    assert feature.spread == pytest.approx(2, abs=0.2)
    assert fit_linear_feature("x", np.full(3, np.nan)).spread == 1
    assert fit_linear_feature("x", np.full(3, 4.0)).spread == 1


def test_features_survive_json_and_nothing_else_is_read() -> None:
    feature = LinearFeature(name="a", centre=0.1, spread=1 / 3)
    assert LinearFeature.from_json(json.loads(json.dumps(feature.to_json()))) == feature
    for data in (
        None,
        {"name": "a"},
        {"name": "a", "centre": 1.0, "spread": 0.0},
        {"name": 1, "centre": 1.0, "spread": 1.0},
    ):
        with pytest.raises(InvalidModelInput):
            LinearFeature.from_json(data)


def test_what_does_not_fit_is_refused() -> None:
    block = made_block(np.random.default_rng(3))
    for act in (
        lambda: LinearBlock([]),
        lambda: LinearBlock([block.features[0]] * 2),
        lambda: block.columns(np.zeros((2, 3), dtype=np.int8)),
        lambda: block.encode({"a": np.zeros(2)}),
        lambda: block.encode({"a": np.zeros(2), "b": np.zeros(3)}),
        lambda: block.penalty_matrix(ridge=-1.0),
    ):
        with pytest.raises(InvalidModelInput):
            act()
    assert block.penalty_matrix(ridge=3.0)[0, 0] == 3 * STEPS**2
