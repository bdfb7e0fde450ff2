"""Many words in one plaintext."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import InvalidCiphertext, ProtocolStateError
from crypto.packing import MAXIMUM_TERMS, lanes, pack_words, unpack_words
from crypto.paillier import BankPaillierKey, Obfuscator

KEY = BankPaillierKey.generate()
PUBLIC = KEY.public
WORDS = st.integers(0, 2**64 - 1)


@given(st.lists(WORDS, max_size=100))
def test_words_come_back(words: list[int]) -> None:
    packed = pack_words(np.array(words, np.uint64), PUBLIC)
    assert len(packed) == -(-len(words) // lanes(PUBLIC))
    assert all(0 <= plaintext < PUBLIC.modulus for plaintext in packed)
    assert unpack_words(packed, len(words), PUBLIC).tolist() == words


@settings(deadline=None)
@given(st.lists(st.lists(WORDS, min_size=45, max_size=45), min_size=1, max_size=6))
def test_sums_of_packed_words_are_packed_sums(rows: list[list[int]]) -> None:
    table = np.array(rows, np.uint64)
    packed = [pack_words(row, PUBLIC) for row in table]
    totals = [sum(plaintexts) for plaintexts in zip(*packed, strict=True)]
    np.testing.assert_array_equal(unpack_words(totals, 45, PUBLIC), table.sum(axis=0, dtype=np.uint64))


def test_the_guard_bits_hold_as_many_carries_as_promised() -> None:
    words = np.full(lanes(PUBLIC), 2**64 - 1, np.uint64)
    total = pack_words(words, PUBLIC)[0] * MAXIMUM_TERMS
    assert total < PUBLIC.modulus
    np.testing.assert_array_equal(unpack_words([total], len(words), PUBLIC), words * np.uint64(MAXIMUM_TERMS))


def test_packed_words_are_added_under_encryption() -> None:
    rows = np.random.default_rng(3).integers(0, 2**64, (4, 42), np.uint64)
    ciphertexts = [
        PUBLIC.encrypt(pack_words(row, PUBLIC)[0], Obfuscator(PUBLIC, KEY.fresh_factors(1)[0])) for row in rows
    ]
    total = KEY.decrypt(PUBLIC.add(ciphertexts))
    np.testing.assert_array_equal(unpack_words([total], 42, PUBLIC), rows.sum(axis=0, dtype=np.uint64))


def test_plaintexts_that_were_not_packed_so_are_refused() -> None:
    with pytest.raises(InvalidCiphertext):
        unpack_words([1 << 72], 1, PUBLIC)
    with pytest.raises(InvalidCiphertext):
        unpack_words([-1], 1, PUBLIC)
    with pytest.raises(ProtocolStateError):
        unpack_words([1, 2], 1, PUBLIC)
