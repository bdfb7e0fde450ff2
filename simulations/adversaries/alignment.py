"""What is known to work against private set intersection done carelessly."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

import gmpy2

from crypto.curve import FIELD_PRIME, POINT_BYTES, is_on_curve
from crypto.identifiers import EnterpriseId

POINT_OF_ORDER_8: Final = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")

_A24: Final = 121665


def plain_tags(ids: Iterable[EnterpriseId]) -> set[bytes]:
    """Return the weakened tags: hashes of ids, which everybody can compute."""
    return {hashlib.sha256(each.encode()).digest()[:16] for each in ids}


def members_by_dictionary(tags: set[bytes], register: Iterable[EnterpriseId]) -> set[EnterpriseId]:
    """Return the ids of a public register whose plain hash is among `tags`."""
    return {each for each in register if hashlib.sha256(each.encode()).digest()[:16] in tags}


def hash_straight_to_u(enterprise_id: EnterpriseId) -> bytes:
    """Return the weakened hash: any 255 bits as a u coordinate, which half of the time is on the twist."""
    u = int.from_bytes(hashlib.sha256(enterprise_id.encode()).digest(), "little") % (1 << 255)
    return int(u % FIELD_PRIME).to_bytes(POINT_BYTES, "little")


def candidates_by_curve_or_twist(
    blinded: bytes, candidates: Iterable[EnterpriseId], hash_to_u: Callable[[EnterpriseId], bytes]
) -> list[EnterpriseId]:
    """Return the candidates that `blinded` may stand for: no multiplication leaves the curve or its twist."""
    side = is_on_curve(int.from_bytes(blinded, "little"))
    return [each for each in candidates if is_on_curve(int.from_bytes(hash_to_u(each), "little")) == side]


def unchecked_ladder(scalar: int, point: bytes) -> bytes:
    """Return scalar * point by RFC 7748's ladder with neither clamping nor a check for zero: the weakened side."""
    u = gmpy2.mpz(int.from_bytes(point, "little"))
    x2, z2, x3, z3 = gmpy2.mpz(1), gmpy2.mpz(0), u, gmpy2.mpz(1)
    for bit in range(scalar.bit_length() - 1, -1, -1):
        if scalar >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        plus, minus = x2 + z2, x2 - z2
        crossed, other = (x3 - z3) * plus % FIELD_PRIME, (x3 + z3) * minus % FIELD_PRIME
        x3, z3 = (crossed + other) ** 2 % FIELD_PRIME, u * (crossed - other) ** 2 % FIELD_PRIME
        plus, minus = plus * plus % FIELD_PRIME, minus * minus % FIELD_PRIME
        difference = plus - minus
        x2, z2 = plus * minus % FIELD_PRIME, difference * (plus + _A24 * difference) % FIELD_PRIME
        if scalar >> bit & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return int(x2 * gmpy2.powmod(z2, FIELD_PRIME - 2, FIELD_PRIME) % FIELD_PRIME).to_bytes(POINT_BYTES, "little")


def key_residues_by_small_order(evaluate: Callable[[bytes], bytes]) -> set[int]:
    """Return what a department's key may be mod 8, from its answer to one point of order 8."""
    answer = evaluate(POINT_OF_ORDER_8)
    return {residue for residue in range(8) if unchecked_ladder(8 + residue, POINT_OF_ORDER_8) == answer}
