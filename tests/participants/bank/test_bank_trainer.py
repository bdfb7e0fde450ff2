"""How finely a bank encodes residuals. The rest of its training: `tests/coordinator` and `tests/simulations`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crypto.lattice.parameters import INNER_PRODUCT
from models.wire.training import WEIGHT_BITS
from participants.bank.trainer import MAXIMUM_FRACTION_BITS, residual_fraction_bits


@given(st.integers(1, 5_000_000), st.integers(0, 16))
def test_no_inner_product_reaches_half_the_plain_modulus(rows: int, entry_bits: int) -> None:
    bits = residual_fraction_bits(rows=rows, entry_bits=entry_bits)
    assert bits <= MAXIMUM_FRACTION_BITS
    assert rows * 2.0 ** (entry_bits + WEIGHT_BITS + bits) < 2.0 ** (INNER_PRODUCT.plain_modulus_bits - 1)
