"""What a curious key holder gets: all of a department's columns without our defences, nothing with them."""

import numpy as np
import pytest

from crypto.lattice.circuit import block_coefficients, wanted_coefficients
from crypto.lattice.inner_product import EncodedMatrix, EncryptedVector, encrypt_vector
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.parameters import INNER_PRODUCT
from simulations.adversaries.lattice_cross_products import masked_where_wanted_only
from simulations.adversaries.lattice_noise import (
    columns_of,
    masked_but_not_flooded,
    predicted_noise,
    recovered_polynomial,
)
from simulations.adversaries.lattice_opening import KeyHolder, Opening

ROWS, COLUMNS, STRIDE = 2000, 4, 2048
CELLS = ROWS * COLUMNS
CHANCE = 6 * 0.5 / np.sqrt(CELLS)  # six deviations of the share of bits guessed right: missed once in 10^8 runs


@pytest.fixture(scope="module")
def key() -> BankLatticeKey:
    return BankLatticeKey.generate(INNER_PRODUCT)


@pytest.fixture(scope="module")
def curious(key: BankLatticeKey) -> KeyHolder:
    return KeyHolder(key)


@pytest.fixture(scope="module")
def columns() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 2, (ROWS, COLUMNS)).astype(np.uint8)


@pytest.fixture(scope="module")
def matrix(columns: np.ndarray) -> EncodedMatrix:
    return EncodedMatrix.encode(columns, stride=STRIDE)


def residuals(key: BankLatticeKey, seed: int) -> EncryptedVector:
    return encrypt_vector(key, np.random.default_rng(seed).integers(-(2**30), 2**30, ROWS), stride=STRIDE)


def share_right(recovered: np.ndarray, columns: np.ndarray) -> float:
    return float(np.mean((recovered > 0.5) == columns))


def test_without_a_flood_four_answers_give_every_entry_of_the_columns(
    key: BankLatticeKey, curious: KeyHolder, matrix: EncodedMatrix, columns: np.ndarray
) -> None:
    vectors = [residuals(key, seed) for seed in range(4)]
    answers = [curious.open(masked_but_not_flooded(matrix, key.public, vector)) for vector in vectors]
    polynomial = recovered_polynomial([curious.noise_sent(v) for v in vectors], [a.noise for a in answers])
    assert share_right(columns_of(polynomial, ROWS, COLUMNS, STRIDE), columns) == 1.0


def test_a_freshly_encrypted_mask_alone_slows_this_down_and_stops_nothing(
    key: BankLatticeKey, curious: KeyHolder, matrix: EncodedMatrix, columns: np.ndarray
) -> None:
    vectors = [residuals(key, seed) for seed in range(16)]
    answers = [curious.open(masked_but_not_flooded(matrix, key.public, v, encrypt_mask=True)) for v in vectors]
    polynomial = recovered_polynomial([curious.noise_sent(v) for v in vectors], [a.noise for a in answers])
    assert share_right(columns_of(polynomial, ROWS, COLUMNS, STRIDE), columns) > 0.5 + 2 * CHANCE


def test_our_answers_give_nothing_to_the_same_attack(
    key: BankLatticeKey, curious: KeyHolder, matrix: EncodedMatrix, columns: np.ndarray
) -> None:
    vectors = [residuals(key, seed) for seed in range(16)]
    answers = [our_answer(curious, matrix, vector) for vector in vectors]
    polynomial = recovered_polynomial([curious.noise_sent(v) for v in vectors], [a.noise for a in answers])
    recovered = columns_of(polynomial, ROWS, COLUMNS, STRIDE)
    assert abs(np.mean((recovered > np.median(recovered)) == columns) - 0.5) < CHANCE


def our_answer(curious: KeyHolder, matrix: EncodedMatrix, vector: EncryptedVector) -> Opening:
    (data,) = matrix.multiply(curious.key.public, vector).ciphertexts
    return curious.open_answer(data, columns=COLUMNS, stride=STRIDE)


def test_a_right_guess_of_the_columns_is_confirmed_by_unflooded_noise_and_not_by_ours(
    key: BankLatticeKey, curious: KeyHolder
) -> None:
    """128 columns of 64 rows: the noise of each inner product is one number to compare the guess with."""
    truth = np.random.default_rng(6).integers(0, 2, (64, 128)).astype(np.uint8)
    matrix = EncodedMatrix.encode(truth, stride=64)
    guess = block_coefficients(truth.astype(np.int64), 64, INNER_PRODUCT).astype(np.float64)
    wanted = wanted_coefficients(INNER_PRODUCT, 64, 128)
    predicted, unflooded, ours = [], [], []
    for seed in range(4):
        values = np.random.default_rng(seed).integers(-(2**30), 2**30, 64)
        vector = encrypt_vector(key, values, stride=64)
        predicted.append(predicted_noise(curious.noise_sent(vector), guess)[wanted])
        unflooded.append(curious.open(masked_but_not_flooded(matrix, key.public, vector)).noise[wanted])
        (data,) = matrix.multiply(key.public, vector).ciphertexts
        ours.append(curious.open_answer(data, columns=128, stride=64).noise[wanted])
    assert np.corrcoef(np.ravel(predicted), np.ravel(unflooded))[0, 1] > 0.999
    assert abs(np.corrcoef(np.ravel(predicted), np.ravel(ours))[0, 1]) < 6 / np.sqrt(4 * 128)


def test_coefficients_beside_the_wanted_ones_give_the_columns_unless_they_are_left_out(
    key: BankLatticeKey, curious: KeyHolder, matrix: EncodedMatrix, columns: np.ndarray
) -> None:
    unit = np.zeros(ROWS, dtype=np.int64)
    unit[0] = 1
    vector = encrypt_vector(key, unit, stride=STRIDE)
    weak = curious.open(masked_where_wanted_only(matrix, key.public, vector)).messages
    read = columns_of(weak.astype(np.float64), ROWS, COLUMNS, STRIDE)
    assert np.array_equal(read[1:], columns[1:])  # the first row is masked

    ours = our_answer(curious, matrix, vector).messages
    recovered = columns_of(ours.astype(np.float64), ROWS, COLUMNS, STRIDE)
    assert abs(np.mean((recovered > np.median(recovered)) == columns) - 0.5) < CHANCE


def test_what_is_opened_of_ours_is_what_decryption_opens(
    key: BankLatticeKey, curious: KeyHolder, matrix: EncodedMatrix, columns: np.ndarray
) -> None:
    """The adversary works: at the wanted coefficients it sees the masked inner products."""
    vector = encrypt_vector(key, np.ones(ROWS, dtype=np.int64), stride=STRIDE)
    products = matrix.multiply(key.public, vector)
    opened = curious.open_answer(products.ciphertexts[0], columns=COLUMNS, stride=STRIDE).messages
    words = opened[wanted_coefficients(INNER_PRODUCT, STRIDE, COLUMNS)]
    unmasked = (words - products.mask) & np.uint64(INNER_PRODUCT.plain_modulus - 1)
    assert np.array_equal(unmasked, columns.sum(axis=0))
