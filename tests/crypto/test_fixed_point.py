"""Numbers as words mod 2^64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import ProtocolStateError
from crypto.fixed_point import from_fixed_point, to_fixed_point


@given(st.lists(st.floats(-1e6, 1e6), max_size=20), st.integers(0, 40))
def test_a_value_comes_back_to_half_a_unit(values: list[float], fraction_bits: int) -> None:
    words = to_fixed_point(np.array(values), fraction_bits)
    assert words.dtype == np.uint64
    np.testing.assert_allclose(from_fixed_point(words, fraction_bits), values, atol=0.5000001 * 2.0**-fraction_bits)


def test_a_negative_number_is_its_twos_complement() -> None:
    np.testing.assert_array_equal(to_fixed_point(np.array([-1.0, 0.5]), 1), np.array([2**64 - 2, 1], np.uint64))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, 2.0**31, -(2.0**31)])
def test_what_has_no_fixed_point_form_is_refused(value: float) -> None:
    with pytest.raises(ProtocolStateError):
        to_fixed_point(np.array([0.0, value]), 32)


@pytest.mark.parametrize("fraction_bits", [-1, 63])
def test_an_impossible_scale_is_refused(fraction_bits: int) -> None:
    with pytest.raises(ProtocolStateError):
        to_fixed_point(np.zeros(1), fraction_bits)
