"""The two parameter sets. There are no others: a key that names another set is refused.

A ciphertext is a pair of polynomials mod x^N + 1 whose coefficients are words mod q, a product of primes ("residue
number system": one array a prime). A message's coefficient m mod t is held as (q / t) m plus noise. The last prime of
the list is in keys alone; ciphertexts live modulo the primes before it.

| set           | N    | primes (bits)     | t    | total bits | bound for 128 bits: classical / post-quantum |
|---------------|------|-------------------|------|------------|----------------------------------------------|
| INNER_PRODUCT | 8192 | 60, 52, 52 and 38 | 2^48 | 202        | 218 / 202                                    |
| ADDITION      | 4096 | 54 and 47         | 2^33 | 101        | 109 / 101                                    |

Both meet the post-quantum row of the Homomorphic Encryption Standard (2018) for a ternary secret. t is a power of two,
so that masks mod 2^64 stay masks mod t, and messages are coefficients, not slots: nothing is ever rotated.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LatticeParameters:
    """One parameter set of BFV.

    poly_modulus_degree: N.
    coeff_modulus_bits: the bit lengths of the primes, the key's own prime last.
    plain_modulus_bits: log2 t.
    """

    poly_modulus_degree: int
    coeff_modulus_bits: tuple[int, ...]
    plain_modulus_bits: int

    @property
    def plain_modulus(self) -> int:
        """Return t; messages, masks and results are words mod t."""
        return 1 << self.plain_modulus_bits

    @property
    def name(self) -> str:
        """Return a name for people."""
        return f"BFV-{self.poly_modulus_degree}-{self.plain_modulus_bits}"


INNER_PRODUCT: Final = LatticeParameters(8192, (60, 52, 52, 38), 48)
"""Inner products: the first prime carries an answer, the other two make room for flooding."""

ADDITION: Final = LatticeParameters(4096, (54, 47), 33)
"""Sums over parties: 4,096 words a ciphertext, no products."""

PARAMETER_SETS: Final = {1: INNER_PRODUCT, 2: ADDITION}
"""The code of a set, as it stands in keys."""
