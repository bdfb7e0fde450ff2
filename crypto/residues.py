"""Random n-th residues mod n^2 for who has the public key alone: powers of one of them, from a table.

    g = y^n mod n^2, y uniform mod n, made anew for each table
    residue = g^x mod n^2, x uniform below 2^(bits of n + 128)

A residue so costs 425 multiplications and not the 4,600 of a power with exponent n (Lim and Lee, "More Flexible
Exponentiation with Precomputation", CRYPTO 1994: eight rows of bits, sixteen tables of 256 entries, 3 MB).

Nothing new is assumed. Encryption with these residues hides plaintexts if n-th residues cannot be told from other
numbers, which is what Paillier's cryptosystem rests on anyway: put in the place of g a number (1 + n)^a y^n with a
uniform, which nobody could tell; then x mod n hides the plaintext, and is independent of x modulo the order of y^n,
since that order and n have no common factor. That x is long enough to be taken for one that is uniform modulo both;
shorter ones, which others use, rest on a further assumption. See `docs/adr/0009-residues-from-a-table.md`.
"""

import secrets
from typing import Final

import gmpy2

from crypto.paillier import PaillierPublicKey
from crypto.secret import Secret

_ROWS: Final = 8
"""Bits that one look-up takes; a digit of the exponent is a byte."""
_TABLES: Final = 16
_STATISTICAL_BITS: Final = 128
"""The exponent modulo the order of g is uniform but for 2^-128."""


class ResidueTable(Secret):
    """The powers of one residue under one public key. Exponents are drawn afresh for every residue and forgotten."""

    __slots__ = ("_column", "_modulus", "_powers")

    def __init__(self, key: PaillierPublicKey) -> None:
        self._modulus = gmpy2.mpz(key.modulus) ** 2
        bits = _ROWS * _TABLES
        self._column = (key.bits + _STATISTICAL_BITS + bits - 1) // bits
        self._powers = self._precompute(gmpy2.mpz(key.fresh_factors(1)[0]))

    def fresh_factors(self, count: int) -> list[int]:
        """Return `count` residues, none of which says anything of another. About 5 ms each at 3072 bits."""
        return [int(self._power(secrets.token_bytes(_TABLES * self._column))) for _ in range(count)]

    def _power(self, digits: bytes) -> gmpy2.mpz:
        """g^x for x = sum over tables j, places t and bits i of bit i of digits[j, t] * 2^(i*a + j*b + b - 1 - t)."""
        column, modulus = self._column, self._modulus
        residue = gmpy2.mpz(1)
        for place in range(column):
            residue = residue * residue % modulus
            for table, powers in enumerate(self._powers):
                residue = residue * powers[digits[table * column + place]] % modulus
        return residue

    def _precompute(self, base: gmpy2.mpz) -> list[list[gmpy2.mpz]]:
        """Table j at d: the product over the bits i of d of g^(2^(i*a + j*b)), a = tables * b, b = `_column`."""
        doublings = [base]
        for _ in range(_ROWS * _TABLES * self._column):
            doublings.append(doublings[-1] ** 2 % self._modulus)
        tables = []
        for table in range(_TABLES):
            powers = [gmpy2.mpz(1)]
            for row in range(_ROWS):
                step = doublings[(row * _TABLES + table) * self._column]
                powers += [power * step % self._modulus for power in powers]
            tables.append(powers)
        return tables
