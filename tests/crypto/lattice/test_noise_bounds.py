import math

import numpy as np
import pytest

from crypto.errors import ProtectionUnavailable
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.noise import (
    FLOOD_BITS,
    FRESH_NOISE,
    answer_budget_bits,
    circuit_noise,
    distance_bits,
    maximum_terms,
    refuse_noise,
    refuse_overflow,
    room_bits,
    rounding_noise,
)
from crypto.lattice.parameters import ADDITION, INNER_PRODUCT
from crypto.lattice.seal import ring


def test_a_million_rows_in_bins_are_hidden_and_decrypt() -> None:
    mass = 1_000_000 * 4
    refuse_noise(INNER_PRODUCT, mass)
    assert distance_bits(INNER_PRODUCT, mass, words=100 * 15) > 64
    assert answer_budget_bits(INNER_PRODUCT, mass) > 1


def test_the_floor_is_where_the_flood_ends() -> None:
    mass = (1 << (FLOOD_BITS + 1 - 64)) // FRESH_NOISE
    refuse_noise(INNER_PRODUCT, mass - 1000)
    with pytest.raises(ProtectionUnavailable, match="flood"):
        refuse_noise(INNER_PRODUCT, mass + 1)


def test_more_rows_or_larger_entries_mean_more_noise() -> None:
    assert circuit_noise(INNER_PRODUCT, 10) < circuit_noise(INNER_PRODUCT, 11)
    assert distance_bits(INNER_PRODUCT, 10) > distance_bits(INNER_PRODUCT, 10, words=2)
    assert answer_budget_bits(INNER_PRODUCT, 1 << 200) == -math.inf


def test_a_result_may_come_close_to_half_the_modulus_and_not_reach_it() -> None:
    half = INNER_PRODUCT.plain_modulus_bits - 1
    refuse_overflow(INNER_PRODUCT, (1 << (half - 20)) - 1, 20)
    with pytest.raises(ProtectionUnavailable):
        refuse_overflow(INNER_PRODUCT, 1 << (half - 20), 20)


def test_rounding_fits_its_bound_by_far(rng: np.random.Generator) -> None:
    signs = rng.integers(-1, 2, (200, INNER_PRODUCT.poly_modulus_degree))
    halves = rng.uniform(-0.5, 0.5, signs.shape)
    assert np.abs((signs * halves).sum(axis=1)).max() < rounding_noise(INNER_PRODUCT) / 2
    assert 2 * math.exp(-2 * rounding_noise(INNER_PRODUCT) ** 2 / 8193) < 2**-80


def test_fresh_noise_keeps_its_bound(bank: BankLatticeKey) -> None:
    """The bound of SEAL's binomial noise is taken on trust nowhere: 8,192 fresh words stay under it."""
    from crypto.lattice.inner_product import encrypt_vector
    from simulations.adversaries.lattice_opening import KeyHolder

    noise = KeyHolder(bank).noise_sent(encrypt_vector(bank, np.arange(64), stride=64))
    assert np.abs(noise).max() <= FRESH_NOISE
    assert 2.5 < noise.std() < 4


def test_every_department_of_the_city_can_add() -> None:
    assert maximum_terms(ADDITION) >= 26
    assert room_bits(ring(ADDITION).top.modulus, ADDITION) > 19.9
