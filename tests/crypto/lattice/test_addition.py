from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import MalformedMessage, ProtectionUnavailable, ProtocolStateError
from crypto.lattice import addition
from crypto.lattice.inner_product import centred
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.noise import maximum_terms
from crypto.lattice.parameters import ADDITION

T = ADDITION.plain_modulus


def encrypted(key: BankLatticeKey, words: np.ndarray) -> list[bytes]:
    return addition.encrypt_partials(key.public, words.astype(np.uint64))


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_sums_are_exact(scoring_bank: BankLatticeKey, data: st.DataObject) -> None:
    count, parties = data.draw(st.integers(1, 9000)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    words = rng.integers(0, T, (parties, count)).astype(np.uint64)
    sums = addition.add([encrypted(scoring_bank, row) for row in words])
    decrypted = addition.decrypt_sums(scoring_bank, sums, count=count)
    assert np.array_equal(decrypted, words.sum(axis=0) % np.uint64(T))


def test_masks_modulo_2_64_cancel_modulo_t(scoring_bank: BankLatticeKey, rng: np.random.Generator) -> None:
    partials = rng.integers(-(2**28), 2**28, (3, 100))
    masks = rng.integers(0, 2**64, (3, 100), dtype=np.uint64)
    masks[2] = np.uint64(0) - masks[0] - masks[1]
    masked = (partials.view(np.uint64) + masks) % np.uint64(T)
    sums = addition.add([encrypted(scoring_bank, row) for row in masked])
    decrypted = addition.decrypt_sums(scoring_bank, sums, count=100)
    assert np.array_equal(centred(decrypted, ADDITION), partials.sum(axis=0))


def test_sums_may_be_added_in_steps(scoring_bank: BankLatticeKey) -> None:
    words = np.full(10, T - 1)
    first = addition.add([encrypted(scoring_bank, words)] * 2)
    total = addition.add([first, encrypted(scoring_bank, words), first])
    assert np.array_equal(addition.decrypt_sums(scoring_bank, total, count=10), words * 5 % T)


def test_as_many_terms_as_promised_are_exact_and_more_are_refused(scoring_bank: BankLatticeKey) -> None:
    words = np.full(10, T - 1)
    (one,) = encrypted(scoring_bank, words)
    limit = maximum_terms(ADDITION)
    assert limit >= 200
    total = addition.add_block([one] * limit)  # equal noises: the worst case
    assert np.array_equal(addition.decrypt_sums(scoring_bank, [total], count=10), words * limit % T)
    with pytest.raises(ProtectionUnavailable):
        addition.add_block([total, one])


def test_a_register_streams_block_by_block(scoring_bank: BankLatticeKey) -> None:
    taken = []

    def blocks() -> Iterator[np.ndarray]:
        for index in range(5):
            taken.append(index)
            yield np.full(addition.BLOCK, index, dtype=np.uint64)

    stream = addition.encrypt_blocks(scoring_bank.public, blocks())
    decrypted = addition.decrypt_blocks(scoring_bank, stream)
    assert next(decrypted)[0] == 0
    assert taken == [0]
    assert [block[-1] for block in decrypted] == [1, 2, 3, 4]


def test_a_score_takes_under_fifteen_bytes(scoring_bank: BankLatticeKey) -> None:
    (ciphertext,) = encrypted(scoring_bank, np.zeros(addition.BLOCK))
    assert len(ciphertext) / addition.BLOCK < 15


def test_contributions_of_different_lengths_are_refused(scoring_bank: BankLatticeKey) -> None:
    one, two = encrypted(scoring_bank, np.zeros(10)), encrypted(scoring_bank, np.zeros(5000))
    nothing: list[list[bytes]] = []
    for wrong in (nothing, [one, two]):
        with pytest.raises(MalformedMessage):
            addition.add(wrong)
    with pytest.raises(MalformedMessage):
        addition.decrypt_sums(scoring_bank, addition.add([[]]), count=1)
    with pytest.raises(MalformedMessage):
        addition.decrypt_sums(scoring_bank, two, count=4096)
    with pytest.raises(MalformedMessage):
        addition.add_block([])


def test_words_that_are_not_reduced_are_refused(scoring_bank: BankLatticeKey, bank: BankLatticeKey) -> None:
    for wrong in (np.array([T], dtype=np.uint64), np.array([1])):
        with pytest.raises(ProtocolStateError):
            addition.encrypt_partials(scoring_bank.public, wrong)
    with pytest.raises(ProtocolStateError):
        addition.encrypt_partials(bank.public, np.array([1], dtype=np.uint64))
    with pytest.raises(ProtocolStateError):
        list(addition.decrypt_blocks(bank, [b""]))
