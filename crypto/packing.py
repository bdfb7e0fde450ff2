"""Many words mod 2^64 in one Paillier plaintext.

    plaintext = sum_i word_i * 2^(72 i)

A lane has 64 bits for the word and 8 guard bits above it for the carries of up to 256 additions; whoever
decrypts takes each lane mod 2^64. The carries tell nothing that the sum does not: masked words are uniform
subject to their sum, and so are their carries.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from crypto.errors import InvalidCiphertext, ProtocolStateError
from crypto.fixed_point import Words
from crypto.paillier import PaillierPublicKey

WORD_BITS: Final = 64
GUARD_BITS: Final = 8
LANE_BITS: Final = WORD_BITS + GUARD_BITS
MAXIMUM_TERMS: Final = 1 << GUARD_BITS
"""So many packed plaintexts may be added, at most."""

_LANE_BYTES: Final = LANE_BITS // 8


def lanes(key: PaillierPublicKey) -> int:
    """Return how many words one plaintext of `key` holds: 42 at 3072 bits."""
    return (key.bits - 1) // LANE_BITS


def pack_words(words: Words, key: PaillierPublicKey) -> list[int]:
    """Return plaintexts that hold `words` (length,) in order, as few as possible."""
    per_plaintext = lanes(key)
    octets = np.zeros((len(words), _LANE_BYTES), np.uint8)
    octets[:, :8] = np.ascontiguousarray(words, "<u8").view(np.uint8).reshape(-1, 8)
    return [
        int.from_bytes(octets[start : start + per_plaintext].tobytes(), "little")
        for start in range(0, len(words), per_plaintext)
    ]


def unpack_words(plaintexts: Sequence[int], length: int, key: PaillierPublicKey) -> Words:
    """Return the `length` words mod 2^64 in a sum of packed plaintexts, uint64 (length,).

    `InvalidCiphertext` if a plaintext holds more than its lanes do, as one does that was not packed so.
    """
    per_plaintext = lanes(key)
    if len(plaintexts) != -(-length // per_plaintext):
        raise ProtocolStateError("packed words come in another number of plaintexts")
    chunks = []
    for index, plaintext in enumerate(plaintexts):
        used = min(per_plaintext, length - index * per_plaintext)
        if not 0 <= plaintext < 1 << (LANE_BITS * used):
            raise InvalidCiphertext("a plaintext holds more than its lanes do")
        chunks.append(plaintext.to_bytes(_LANE_BYTES * used, "little"))
    octets = np.frombuffer(b"".join(chunks), np.uint8).reshape(-1, _LANE_BYTES)
    words: Words = np.ascontiguousarray(octets[:, :8]).view("<u8").reshape(-1).astype(np.uint64)
    return words
