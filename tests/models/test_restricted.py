"""Statistics as words: sums of words are words of sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import YurongError
from models.errors import InvalidModelInput
from models.restricted import RestrictedStatistics


def random_statistics(rng: np.random.Generator, size: int, scale: float) -> RestrictedStatistics:
    half = rng.normal(size=(size, size)) * scale
    return RestrictedStatistics(loss=float(rng.random()) * scale, gradient=rng.normal(size=size), hessian=half @ half.T)


@given(seed=st.integers(0, 2**32), banks=st.integers(1, 9), size=st.integers(1, 20), magnitude=st.integers(-12, 2))
def test_the_sum_of_words_is_the_words_of_the_sum_up_to_rounding(
    seed: int, banks: int, size: int, magnitude: int
) -> None:
    rng = np.random.default_rng(seed)
    scales = np.concatenate(([1.0], np.full(size - 1, 10.0**-magnitude)))
    parts = [random_statistics(rng, size, 100.0) for _ in range(banks)]
    # What the directions are: small where their unit is large.
    parts = [
        RestrictedStatistics(
            loss=part.loss, gradient=part.gradient / scales, hessian=part.hessian / np.outer(scales, scales)
        )
        for part in parts
    ]
    total = sum(parts[1:], start=parts[0])
    words = np.stack([part.to_words(scales) for part in parts]).sum(axis=0, dtype=np.uint64)
    assert words.shape == (RestrictedStatistics.word_count(size - 1),)
    read = RestrictedStatistics.from_words(words, scales)
    rounding = banks * 2.0**-32
    assert read.loss == pytest.approx(total.loss, abs=rounding)
    assert np.allclose(read.gradient * scales, total.gradient * scales, rtol=1e-12, atol=rounding)
    unit = np.outer(scales, scales)
    assert np.allclose(read.hessian * unit, total.hessian * unit, rtol=1e-12, atol=rounding)
    assert np.array_equal(read.hessian, read.hessian.T)


def test_what_overflows_is_refused() -> None:
    huge = RestrictedStatistics(loss=2.0**31, gradient=np.zeros(1), hessian=np.zeros((1, 1)))
    with pytest.raises(YurongError):
        huge.to_words(np.ones(1))


def test_shapes_that_disagree_are_refused() -> None:
    with pytest.raises(InvalidModelInput):
        RestrictedStatistics(loss=0.0, gradient=np.zeros(2), hessian=np.zeros((3, 3)))
    fine = RestrictedStatistics(loss=0.0, gradient=np.zeros(2), hessian=np.zeros((2, 2)))
    with pytest.raises(InvalidModelInput):
        fine.to_words(np.ones(3))
    with pytest.raises(InvalidModelInput):
        RestrictedStatistics.from_words(np.zeros(5, dtype=np.uint64), np.ones(2))
