"""Room for noise: the worst case is computed before anything starts, and refused below a floor.

A ciphertext modulo q decrypts as long as its noise stays under q / (2 t). What adds to it, in the order of events:

| what                                    | at most                        | why                                     |
|-----------------------------------------|--------------------------------|-----------------------------------------|
| a fresh symmetric encryption            | 21 + 1/2                       | SEAL's centred binomial of 2 * 21 coins |
| its product with small integers, summed | 22 * mass                      | mass: the sum of all entries' sizes     |
| a fresh public-key encryption of zero   | N + 2                          | rounding by the key's own prime         |
| the flood                               | 2^112                          | `FLOOD_BITS`                            |
| going down to the first prime           | the above / 2^104 (two primes) | everything shrinks with the modulus     |
| rounding on the way                     | 480 but for 2^-80 a word       | Hoeffding: N halves with random signs   |

At the bottom there is room for q / (2 t) = 2^11, so an answer always keeps more than one bit; before that the flood is
2^(112 + 1) wide and the circuit's noise below 2^48, so what a word of an answer tells the key holder about
the noise is within a statistical distance of 2^-64 of telling nothing.

Sums of batch scoring: each term adds the rounding of its encryption, at most (N + 1) / 2 + 1.
"""

import math
from typing import Final

from crypto.errors import ProtectionUnavailable
from crypto.lattice.parameters import LatticeParameters
from crypto.lattice.seal import ring

FRESH_NOISE: Final = 22
"""A bound on one coefficient of the noise of a fresh symmetric encryption, its rounding included."""

FLOOD_BITS: Final = 112
"""The flood is uniform in [-2^112, 2^112)."""

DISTANCE_BITS: Final = 64
"""A word of an answer is within a statistical distance of 2^-64 of one that depends on the result alone."""

FAILURE_BITS: Final = 80
"""A word decrypts wrongly with a probability below 2^-80."""

BUDGET_FLOOR_BITS: Final = 1.0
"""The least room, in bits, that the worst case has to leave."""


def circuit_noise(parameters: LatticeParameters, mass: int) -> int:
    """Return the largest noise before the flood, of a product with columns whose entries' sizes add up to `mass`."""
    return FRESH_NOISE * mass + parameters.poly_modulus_degree + 2


def distance_bits(parameters: LatticeParameters, mass: int, words: int = 1) -> float:
    """-log2 of the statistical distance between `words` words of an answer and words without the circuit's noise.

    Shifting a uniform variable of width 2^(b + 1) by e moves it a distance of e / 2^(b + 1).
    """
    return FLOOD_BITS + 1 - math.log2(circuit_noise(parameters, mass) * words)


def rounding_noise(parameters: LatticeParameters) -> int:
    """Return what going down a level adds at most, but for 2^-80.

    The rounding of the second polynomial is times s, so a word gets a sum of up to N terms of at most 1/2 with
    independent signs. Hoeffding: P(|sum| > x) <= 2 exp(-2 x^2 / (N + 1)).
    """
    terms = parameters.poly_modulus_degree + 1
    return math.ceil(math.sqrt(terms * (FAILURE_BITS + 1) * math.log(2) / 2))


def room_bits(modulus: int, parameters: LatticeParameters) -> float:
    """Return log2 of q / (2 t)."""
    return math.log2(modulus) - parameters.plain_modulus_bits - 1


def answer_budget_bits(parameters: LatticeParameters, mass: int) -> float:
    """Return the bits of room that an answer keeps in the worst case."""
    here = ring(parameters)
    before = circuit_noise(parameters, mass) + (1 << FLOOD_BITS)
    dropped = here.top.modulus // here.bottom.modulus
    if before * 2 * parameters.plain_modulus >= here.top.modulus:
        return -math.inf
    after = before // dropped + rounding_noise(parameters) + 2
    return room_bits(here.bottom.modulus, parameters) - math.log2(after)


def refuse_noise(parameters: LatticeParameters, mass: int) -> None:
    """Raise `ProtectionUnavailable` where an answer could fail to decrypt or its flood be too shallow."""
    if distance_bits(parameters, mass) < DISTANCE_BITS:
        raise ProtectionUnavailable(
            f"columns whose entries add up to 2^{math.log2(mass):.1f} make noise that the flood does not hide",
            advice="use smaller integers, fewer rows or a larger stride",
        )
    if answer_budget_bits(parameters, mass) < BUDGET_FLOOR_BITS:
        raise ProtectionUnavailable("the answer's noise budget would fall under its floor")


def refuse_overflow(parameters: LatticeParameters, column_mass: int, magnitude_bits: int) -> None:
    """Raise `ProtectionUnavailable` where a result could reach t / 2.

    column_mass: the largest sum of sizes of one column's entries. magnitude_bits: the vector's are below 2^this.
    """
    if column_mass << magnitude_bits >= parameters.plain_modulus // 2:
        raise ProtectionUnavailable(
            f"a result could have {(column_mass << magnitude_bits).bit_length()} bits, "
            f"and {parameters.plain_modulus_bits - 1} is the most",
            advice="use fewer fraction bits or smaller integers",
        )


def term_noise(parameters: LatticeParameters) -> int:
    """Return the noise of one public-key encryption at most, without exception."""
    return (parameters.poly_modulus_degree + 1) // 2 + 2


def maximum_terms(parameters: LatticeParameters) -> int:
    """Return how many encryptions may be added with one bit of room left."""
    room = ring(parameters).top.modulus // (2 * parameters.plain_modulus)
    return room // (2 * term_noise(parameters))
