"""Residues from a table."""

import pickle
import secrets

import gmpy2
import pytest

from crypto.paillier import BankPaillierKey, Obfuscator
from crypto.residues import ResidueTable

KEY = BankPaillierKey.generate()
TABLE = ResidueTable(KEY.public)


def exponent_of(digits: bytes) -> int:
    """The exponent that digits stand for, by the formula of `_power`."""
    column = TABLE._column
    return sum(
        (digits[table * column + place] >> row & 1) << (row * 16 * column + table * column + column - 1 - place)
        for table in range(16)
        for place in range(column)
        for row in range(8)
    )


def test_a_residue_is_the_power_that_its_digits_say() -> None:
    base, square = TABLE._powers[0][1], gmpy2.mpz(KEY.public.modulus) ** 2
    digits = secrets.token_bytes(16 * TABLE._column)
    assert TABLE._power(digits) == gmpy2.powmod(base, exponent_of(digits), square)


def test_the_digits_of_an_exponent_cover_each_bit_once() -> None:
    size = 16 * TABLE._column
    assert exponent_of(b"\xff" * size) == (1 << 8 * size) - 1
    assert 8 * size >= KEY.public.bits + 128  # what the proof of the module needs


def test_what_a_table_gives_encrypts_and_is_never_the_same_twice() -> None:
    factors = TABLE.fresh_factors(8)
    assert len(set(factors)) == 8
    ciphertexts = [KEY.public.encrypt(7, Obfuscator(KEY.public, factor)) for factor in factors]
    assert {KEY.decrypt(ciphertext) for ciphertext in ciphertexts} == {7}


def test_factors_of_a_table_are_residues_that_decrypt_to_zero() -> None:
    assert {KEY.decrypt(factor) for factor in TABLE.fresh_factors(4)} == {0}


def test_every_table_has_a_base_of_its_own() -> None:
    assert ResidueTable(KEY.public)._powers[0][1] != TABLE._powers[0][1]


def test_a_table_shows_nothing_and_does_not_travel() -> None:
    assert "secret" in repr(TABLE)
    with pytest.raises(TypeError):
        pickle.dumps(TABLE)
