import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import MalformedMessage, YurongError
from crypto.lattice.keys import BankLatticeKey, LatticePublicKey
from crypto.lattice.parameters import ADDITION, INNER_PRODUCT
from crypto.lattice.seal import ring


def test_a_key_pair_survives_its_bytes(bank: BankLatticeKey) -> None:
    again = BankLatticeKey.from_private_bytes(bank.to_private_bytes())
    assert again.public == bank.public
    assert again.public.fingerprint() == bank.public.fingerprint()
    assert np.array_equal(again.coefficients, bank.coefficients)


def test_a_public_key_survives_its_bytes_and_a_pipe(bank: BankLatticeKey) -> None:
    assert LatticePublicKey.from_bytes(bank.public.to_bytes()) == bank.public
    assert pickle.loads(pickle.dumps(bank.public)) == bank.public
    assert len({bank.public, LatticePublicKey.from_bytes(bank.public.to_bytes())}) == 1


def test_two_keys_differ(bank: BankLatticeKey, other_bank: BankLatticeKey) -> None:
    assert bank.public != other_bank.public
    assert bank.public.fingerprint() != other_bank.public.fingerprint()
    assert len(bank.public.fingerprint()) == 32


def test_the_secret_is_neither_shown_nor_pickled_nor_copied(bank: BankLatticeKey) -> None:
    assert repr(bank) == "<BankLatticeKey: secret>"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            attempt(bank)


def test_the_secret_is_ternary_and_balanced(bank: BankLatticeKey) -> None:
    counts = np.bincount(bank.coefficients.astype(int) + 1, minlength=3)
    assert counts.sum() == 8192
    # each count is binomial(8192, 1/3) with deviation 43: six of them miss once in 10^8 runs
    assert np.all(np.abs(counts - 8192 / 3) < 6 * 43)


def test_parameters_meet_the_post_quantum_row_of_the_standard() -> None:
    assert sum(INNER_PRODUCT.coeff_modulus_bits) <= 202
    assert sum(ADDITION.coeff_modulus_bits) <= 101
    for parameters in (INNER_PRODUCT, ADDITION):
        primes = ring(parameters).key_level.primes
        assert tuple(prime.bit_length() for prime in primes) == parameters.coeff_modulus_bits
        assert all(prime % (2 * parameters.poly_modulus_degree) == 1 for prime in primes)


def test_damaged_public_keys_are_refused(bank: BankLatticeKey) -> None:
    data = bank.public.to_bytes()
    unknown_set = data[:8] + b"\x07" + data[9:]
    too_large_a_word = data[:41] + b"\xff" * 8 + data[49:]
    for wrong in (b"", data[:-1], data + b"\0", b"x" * len(data), unknown_set, too_large_a_word, bytes(len(data))):
        with pytest.raises(MalformedMessage):
            LatticePublicKey.from_bytes(wrong)
    other_set = data[:8] + b"\x02" + data[9:]
    with pytest.raises(MalformedMessage):
        LatticePublicKey.from_bytes(other_set)


def test_halves_of_two_pairs_are_refused(bank: BankLatticeKey, other_bank: BankLatticeKey) -> None:
    mixed = bank.to_private_bytes()[: 9 + 8192] + other_bank.public.to_bytes()
    with pytest.raises(MalformedMessage):
        BankLatticeKey.from_private_bytes(mixed)


def test_a_private_key_that_is_not_ternary_is_refused(bank: BankLatticeKey) -> None:
    data = bank.to_private_bytes()
    for wrong in (data[:9] + b"\x03" + data[10:], data[:-1], data[:100], b""):
        with pytest.raises(MalformedMessage):
            BankLatticeKey.from_private_bytes(wrong)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200))
def test_only_our_errors_escape_from_any_bytes(data: bytes) -> None:
    for read in (LatticePublicKey.from_bytes, BankLatticeKey.from_private_bytes):
        with pytest.raises(YurongError):
            read(b"YR-lpk-1" + data)
        with pytest.raises(YurongError):
            read(b"YR-lsk-1" + data)
