"""What ciphertexts and keys look like between parties, and the strict reading of them.

    kind (8 bytes)  fingerprint of the key (32)  body (its size is fixed by the kind)  BLAKE2b of all before (16)

| kind       | body                                                                                     |
|------------|------------------------------------------------------------------------------------------|
| `YR-vec-1` | seed of the second polynomial (64), first polynomial modulo each prime                   |
| `YR-ans-1` | number of columns (2), their coefficients, second polynomial, all modulo the first prime |
| `YR-sum-1` | number of terms (2), both polynomials modulo each prime                                  |

A word modulo a prime of b bits takes ceil(b / 8) bytes, little-endian. The checksum finds accidents; it
authenticates nothing, and whoever makes a ciphertext by hand makes it too. What a forger can do is
then bounded: every word is below its prime, the key is the one expected, and neither polynomial that
hides the message is zero ("transparent"). Such a ciphertext is one that an honest encryption could have given.
"""

import hashlib
import math
from collections.abc import Sequence
from enum import Enum
from typing import Final

import numpy as np

from crypto.errors import InvalidCiphertext, MalformedMessage
from crypto.lattice.seal import Words

FINGERPRINT_BYTES: Final = 32
_CHECKSUM_BYTES: Final = 16
_WORD_BYTES: Final = 8


class Kind(Enum):
    """The kinds of ciphertext."""

    VECTOR = b"YR-vec-1"
    ANSWER = b"YR-ans-1"
    SUM = b"YR-sum-1"


def _checksum(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_CHECKSUM_BYTES).digest()


def frame(kind: Kind, fingerprint: bytes, body: bytes) -> bytes:
    """Put a body into its frame."""
    framed = kind.value + fingerprint + body
    return framed + _checksum(framed)


def unframe(kind: Kind, fingerprint: bytes, data: bytes, *, body_bytes: int) -> bytes:
    """Take a body of `body_bytes` out of its frame.

    Raises `MalformedMessage` for another size, kind or checksum, `InvalidCiphertext` for another key.
    """
    start = len(kind.value) + FINGERPRINT_BYTES
    if len(data) != start + body_bytes + _CHECKSUM_BYTES:
        raise MalformedMessage("the ciphertext has not the size of its kind")
    if data[: len(kind.value)] != kind.value:
        raise MalformedMessage("the bytes are no ciphertext of the kind expected")
    if _checksum(data[:-_CHECKSUM_BYTES]) != data[-_CHECKSUM_BYTES:]:
        raise MalformedMessage("the ciphertext's checksum is wrong: it was damaged on its way")
    if data[len(kind.value) : start] != fingerprint:
        raise InvalidCiphertext("the ciphertext is under another key")
    return data[start:-_CHECKSUM_BYTES]


def word_bytes(prime: int) -> int:
    """Return how many bytes a word below `prime` takes."""
    return math.ceil(prime.bit_length() / 8)


def pack(words: Words, primes: Sequence[int]) -> bytes:
    """Write words (primes, any number), each row with its prime's width."""
    rows = np.ascontiguousarray(words, dtype="<u8").view(np.uint8).reshape(len(primes), -1, _WORD_BYTES)
    return b"".join(row[:, : word_bytes(prime)].tobytes() for row, prime in zip(rows, primes, strict=True))


def packed_bytes(primes: Sequence[int], count: int) -> int:
    """Return the size of `count` words modulo each prime."""
    return count * sum(word_bytes(prime) for prime in primes)


def unpack(data: bytes, primes: Sequence[int], count: int) -> Words:
    """Read words (primes, count). Raises `InvalidCiphertext` if one is not below its prime.

    `data` has the right size already: `packed_bytes` was asked.
    """
    words = np.zeros((len(primes), count), dtype="<u8")
    start = 0
    for row, prime in zip(words, primes, strict=True):
        width = word_bytes(prime)
        raw = np.frombuffer(data, dtype=np.uint8, count=count * width, offset=start)
        row.view(np.uint8).reshape(count, _WORD_BYTES)[:, :width] = raw.reshape(count, width)
        start += count * width
        if np.any(row >= np.uint64(prime)):
            raise InvalidCiphertext("a word of the ciphertext is out of range")
    return words


def refuse_transparent(polynomial: Words) -> None:
    """Raise `InvalidCiphertext` if a polynomial (primes, N) that should look random is zero modulo a prime.

    With a second polynomial of zero a "ciphertext" is readable by everybody; no honest encryption gives one.
    """
    if not np.all(np.any(polynomial, axis=1)):
        raise InvalidCiphertext("the ciphertext is transparent: it hides nothing")
