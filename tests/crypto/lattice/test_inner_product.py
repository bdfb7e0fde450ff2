import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import ProtectionUnavailable, ProtocolStateError
from crypto.lattice.inner_product import (
    EncodedMatrix,
    EncryptedVector,
    centred,
    choose_stride,
    decrypt_products,
    encrypt_vector,
    largest_magnitude_bits,
    read_products,
)
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.noise import BUDGET_FLOOR_BITS, answer_budget_bits, distance_bits, room_bits
from crypto.lattice.parameters import ADDITION, INNER_PRODUCT
from crypto.lattice.seal import ring

T = INNER_PRODUCT.plain_modulus


def products(bank: BankLatticeKey, columns: np.ndarray, values: np.ndarray, stride: int, bits: int) -> np.ndarray:
    matrix = EncodedMatrix.encode(columns, stride=stride)
    vector = encrypt_vector(bank, values, stride=stride, magnitude_bits=bits)
    answer = matrix.multiply(bank.public, vector)
    words = decrypt_products(bank, answer.ciphertexts, columns=columns.shape[1], stride=stride)
    return centred(words - answer.mask)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_inner_products_are_exact(bank: BankLatticeKey, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 5000))
    columns = data.draw(st.integers(1, 9))
    stride = data.draw(st.sampled_from([64, 256, 1024, 2048, 8192]))
    entry_bits = data.draw(st.integers(1, 10))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    bits = 46 - rows.bit_length() - entry_bits
    matrix = rng.integers(-(1 << entry_bits) + 1, 1 << entry_bits, (rows, columns)).astype(np.int16)
    values = rng.integers(-(1 << bits) + 1, 1 << bits, rows)
    assert np.array_equal(products(bank, matrix, values, stride, bits), values @ matrix.astype(np.int64))


def test_the_largest_results_are_exact_too(bank: BankLatticeKey) -> None:
    bits = largest_magnitude_bits(4095)
    ones = np.ones((4095, 5), dtype=np.uint8)
    for sign in (1, -1):
        values = np.full(4095, sign * ((1 << bits) - 1))
        assert np.array_equal(products(bank, ones, values, 2048, bits), np.full(5, values.sum()))


def test_columns_of_zeros_are_answered_like_others(bank: BankLatticeKey) -> None:
    columns = np.zeros((3000, 6), dtype=np.uint8)
    columns[2500:, 5] = 1
    values = np.arange(3000)
    assert np.array_equal(products(bank, columns, values, 2048, 20), [0, 0, 0, 0, 0, values[2500:].sum()])


def test_an_upload_is_half_a_ciphertext_and_an_answer_a_sixth(bank: BankLatticeKey) -> None:
    vector = encrypt_vector(bank, np.ones(2048, dtype=np.int64), stride=2048)
    answer = EncodedMatrix.encode(np.ones((2048, 4), dtype=np.uint8), stride=2048).multiply(bank.public, vector)
    full = 2 * 3 * 8192 * 8
    assert len(vector.chunks[0]) < full / 2
    assert len(answer.ciphertexts[0]) < full / 5.9


def test_the_worst_case_leaves_the_noise_that_was_promised(bank: BankLatticeKey) -> None:
    columns = np.ones((20_000, 8), dtype=np.uint8)
    vector = encrypt_vector(bank, np.ones(20_000, dtype=np.int64), stride=2048)
    answer = EncodedMatrix.encode(columns, stride=2048).multiply(bank.public, vector)
    _, noise = read_products(bank, answer.ciphertexts, columns=8, stride=2048)
    measured = room_bits(ring(INNER_PRODUCT).bottom.modulus, INNER_PRODUCT) - np.log2(np.abs(noise).max())
    promised = answer_budget_bits(INNER_PRODUCT, 20_000 * 4)
    assert measured >= promised >= BUDGET_FLOOR_BITS
    assert distance_bits(INNER_PRODUCT, 20_000 * 4, words=8) > 64


def test_entries_too_large_to_be_hidden_are_refused_before_anything_starts() -> None:
    with pytest.raises(ProtectionUnavailable, match="flood"):
        EncodedMatrix.encode(np.full((8192, 4), 1 << 31, dtype=np.int64), stride=2048)
    with pytest.raises(ProtectionUnavailable):
        EncodedMatrix.encode(np.full((2, 1), 1 << 62, dtype=np.int64), stride=2048)
    with pytest.raises(ProtectionUnavailable):
        EncodedMatrix.encode(np.full((2, 1), -(1 << 63), dtype=np.int64), stride=2048)


def test_results_that_could_overflow_are_refused(bank: BankLatticeKey) -> None:
    matrix = EncodedMatrix.encode(np.full((1000, 1), 100, dtype=np.int16), stride=2048)
    vector = encrypt_vector(bank, np.ones(1000, dtype=np.int64), stride=2048)
    with pytest.raises(ProtectionUnavailable, match="bits"):
        matrix.multiply(bank.public, vector)
    small = encrypt_vector(bank, np.ones(1000, dtype=np.int64), stride=2048, magnitude_bits=30)
    assert len(matrix.multiply(bank.public, small).ciphertexts) == 1


def test_values_beyond_their_bound_are_refused(bank: BankLatticeKey) -> None:
    for value in (1 << 10, -(1 << 10), np.iinfo(np.int64).min):
        with pytest.raises(ProtectionUnavailable):
            encrypt_vector(bank, np.array([0, value]), stride=64, magnitude_bits=10)


@pytest.mark.parametrize("stride", [0, 32, 100, 16384, -64])
def test_strides_that_do_not_fit_are_refused(bank: BankLatticeKey, stride: int) -> None:
    with pytest.raises(ProtocolStateError):
        encrypt_vector(bank, np.ones(10, dtype=np.int64), stride=stride)
    with pytest.raises(ProtocolStateError):
        EncodedMatrix.encode(np.ones((10, 1), dtype=np.uint8), stride=stride)


def test_empty_or_fractional_input_is_refused(bank: BankLatticeKey, scoring_bank: BankLatticeKey) -> None:
    wrong: tuple[Any, ...] = (
        np.ones((0, 3), dtype=int),
        np.ones((3, 0), dtype=int),
        np.ones(3, dtype=int),
        np.ones((3, 1)),
    )
    for columns in wrong:
        with pytest.raises(ProtocolStateError):
            EncodedMatrix.encode(columns, stride=64)
    with pytest.raises(ProtocolStateError):
        encrypt_vector(bank, np.ones(0, dtype=np.int64), stride=64)
    with pytest.raises(ProtocolStateError):
        encrypt_vector(scoring_bank, np.ones(5, dtype=np.int64), stride=64)


def test_masks_are_secret(bank: BankLatticeKey) -> None:
    vector = encrypt_vector(bank, np.ones(10, dtype=np.int64), stride=64)
    answer = EncodedMatrix.encode(np.ones((10, 1), dtype=np.uint8), stride=64).multiply(bank.public, vector)
    assert str(int(answer.mask[0])) not in repr(answer)
    with pytest.raises(TypeError):
        pickle.dumps(answer)


def test_decrypted_words_are_uniform(bank: BankLatticeKey) -> None:
    """640 masked words of one result in 64 cells: chi-squared(63) above 133 has a probability below 10^-6."""
    matrix = EncodedMatrix.encode(np.ones((10, 128), dtype=np.uint8), stride=64)
    vector: EncryptedVector = encrypt_vector(bank, np.zeros(10, dtype=np.int64), stride=64)
    words = np.concatenate(
        [
            decrypt_products(bank, matrix.multiply(bank.public, vector).ciphertexts, columns=128, stride=64)
            for _ in range(5)
        ]
    )
    assert words.max() < T
    for cells in (words >> np.uint64(42), words & np.uint64(63)):
        counts = np.bincount(cells.astype(int), minlength=64)
        assert ((counts - 10) ** 2 / 10).sum() < 133


def test_the_same_question_never_gets_the_same_answer(bank: BankLatticeKey) -> None:
    matrix = EncodedMatrix.encode(np.ones((10, 1), dtype=np.uint8), stride=64)
    vector = encrypt_vector(bank, np.zeros(10, dtype=np.int64), stride=64)
    first, second = (matrix.multiply(bank.public, vector) for _ in range(2))
    assert first.mask[0] != second.mask[0]
    left, right = (np.frombuffer(answer.ciphertexts[0][50:-16], dtype="<u8") for answer in (first, second))
    assert not np.any(left == right)


def test_the_stride_follows_the_shape() -> None:
    assert choose_stride(65_536, 20) == 4096
    assert choose_stride(10_000, 100) < choose_stride(100_000, 10)
    assert choose_stride(1, 10_000) == 256


def test_words_are_read_as_signed() -> None:
    words = np.array([0, 1, T - 1, T // 2 - 1, T // 2, (1 << 64) - 1], dtype=np.uint64)
    assert centred(words).tolist() == [0, 1, -1, T // 2 - 1, -T // 2, -1]
    assert centred(np.array([(1 << 33) - 5], dtype=np.uint64), ADDITION).tolist() == [-5]
