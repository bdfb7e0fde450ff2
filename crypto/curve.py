"""Curve25519 by u coordinates alone, as a group for the alignment: hashing into it, multiplying, undoing that.

    v^2 = u^3 + 486662 u^2 + u   over the integers mod p = 2^255 - 19;   order 8 L, L = 2^252 + 277423...

A u coordinate stands for a point and its negative. A scalar is "clamped" as RFC 7748 has it: a multiple of
8 from 2^254 to 2^255 - 8. That is what makes this sound without ever checking a subgroup:

- A multiple of 8 takes every point to the subgroup of prime order L (or to a twist's, for a u that is on no
  point of the curve), so points of small order give zero, which is refused, and tell nothing of a scalar.
- a = 8c with c from 2^251 to 2^252 - 1. These c and their negatives mod L are all numbers mod L but for a
  share of 2^-126, each once. As a sign is not seen, a uniform clamped scalar is a uniform non-zero one.
- So for every clamped a there is a clamped b with a b = +1 or -1 mod L, but for a share of 2^-126: b or
  8L - b, whichever is in range. Multiplying by b undoes multiplying by a on the prime-order subgroup.

The multiplication is libsodium's, in constant time. Hashing is not: it takes public ids on one's own machine.
"""

import hashlib
import secrets
from typing import Final

import gmpy2
from nacl.bindings import crypto_scalarmult

from crypto.errors import MalformedMessage, ProtocolStateError

POINT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
FIELD_PRIME: Final = gmpy2.mpz(2**255 - 19)
GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493

_J: Final = 486662
_COFACTOR: Final = 8
_INVERSE_OF_COFACTOR: Final = pow(_COFACTOR, -1, GROUP_ORDER)

_SHA512_BLOCK_BYTES: Final = 128
_FIELD_ELEMENT_BYTES: Final = 48
_MESSAGE_PREFIX: Final = hashlib.sha512(bytes(_SHA512_BLOCK_BYTES))


def new_scalars(count: int) -> bytes:
    """Return `count` clamped scalars (count * 32 bytes) from the operating system's randomness."""
    drawn = bytearray(secrets.token_bytes(SCALAR_BYTES * count))
    drawn[0::SCALAR_BYTES] = bytes(octet & 0xF8 for octet in drawn[0::SCALAR_BYTES])
    drawn[31::SCALAR_BYTES] = bytes(octet & 0x7F | 0x40 for octet in drawn[31::SCALAR_BYTES])
    return bytes(drawn)


def inverse_scalar(scalar: bytes) -> bytes:
    """Return the clamped scalar that undoes `scalar`, on points in the subgroup and up to their sign."""
    value = int.from_bytes(scalar, "little")
    if len(scalar) != SCALAR_BYTES or value % _COFACTOR or value >> 254 != 1:
        raise ProtocolStateError("a scalar is not clamped")
    # b = 8c with 8c * value = 1 mod L, or its negative.
    c = int(gmpy2.invert(value, GROUP_ORDER)) * _INVERSE_OF_COFACTOR % GROUP_ORDER
    for half in (c, GROUP_ORDER - c):
        if 1 << 251 <= half < 1 << 252:
            return (_COFACTOR * half).to_bytes(SCALAR_BYTES, "little")
    raise ProtocolStateError("a scalar without a clamped inverse, as one in 2^126 is", advice="Draw another.")


def multiply(scalar: bytes, point: bytes) -> bytes:
    """Return scalar * point (32 bytes); `MalformedMessage` if that is zero, as for every point of small order.

    The point is in canonical form; see `check_points`. Runs without the interpreter's lock.
    """
    try:
        return crypto_scalarmult(scalar, point)
    except RuntimeError as error:
        raise MalformedMessage("a point is of small order") from error


def check_points(points: bytes) -> None:
    """Raise `MalformedMessage` unless `points` is whole u coordinates in canonical form, each below p."""
    if len(points) % POINT_BYTES:
        raise MalformedMessage("points come in another length than 32 bytes each")
    for start in range(0, len(points), POINT_BYTES):
        if points[start + 31] >= 0x7F and int.from_bytes(points[start : start + POINT_BYTES], "little") >= FIELD_PRIME:
            raise MalformedMessage("a point is not in canonical form")


def encode_to_curve(message: bytes, domain: bytes) -> bytes:
    """Return the u coordinate (32 bytes) that RFC 9380's curve25519_XMD:SHA-512_ELL2_NU_ maps `message` to.

    `domain` is the RFC's DST, at most 255 bytes. The cofactor is left in; any clamped multiplication clears it.
    """
    return map_to_curve(hash_to_field(message, domain))


def hash_to_field(message: bytes, domain: bytes) -> int:
    """Return one field element: RFC 9380 section 5.2 with expand_message_xmd over SHA-512."""
    suffix = domain + len(domain).to_bytes(1, "big")
    first = _MESSAGE_PREFIX.copy()
    first.update(message + _FIELD_ELEMENT_BYTES.to_bytes(2, "big") + b"\x00" + suffix)
    uniform = hashlib.sha512(first.digest() + b"\x01" + suffix).digest()
    return int(int.from_bytes(uniform[:_FIELD_ELEMENT_BYTES], "big") % FIELD_PRIME)


def map_to_curve(element: int) -> bytes:
    """Return Elligator 2's u coordinate (32 bytes) for a field element: RFC 9380 section 6.7.1 with Z = 2.

    1 + 2 e^2 is never zero, since -1/2 is no square mod p.
    """
    x = -_J * gmpy2.invert(1 + 2 * gmpy2.mpz(element) ** 2, FIELD_PRIME) % FIELD_PRIME
    if not is_on_curve(x):
        x = -x - _J
    return int(x % FIELD_PRIME).to_bytes(POINT_BYTES, "little")


def is_on_curve(u: int) -> bool:
    """Return whether u^3 + 486662 u^2 + u is a square mod p, so that u is on the curve and not on its twist."""
    return bool(gmpy2.legendre(u * (u * (u + _J) + 1) % FIELD_PRIME, FIELD_PRIME) >= 0)
