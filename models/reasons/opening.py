"""What comes out of the boxes of all departments of a score: the points lost by reason family, over them all.

    lost(family) = sum over S of words_j(family)  mod 2^64,          0 <= lost(family) <= |S| (2^31 - 1)

The masks cancel if all departments were asked the same by the same bank, about the same enterprise, with the same S. If
not, the words are uniform, and pass for points lost once in 2^700: what is opened is right, or refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from crypto.identifiers import ParticipantId
from crypto.labels import Label
from crypto.sealed import unseal_with_key
from models.reasons.errors import ReasonsDoNotAddUp
from models.reasons.words import MOST_LOST
from models.wire.reasons import Opener, reasons_context, unpack_reasons

LostByFamilyOverAll = NDArray[np.int64]
"""(families,), each at its place in the list, in fixed point; none below 0."""

_ADVICE: Final = "Ask again with a new request. If it stays so, one of the departments has another release."


def open_boxes(
    boxes: Mapping[ParticipantId, bytes], private: X25519PrivateKey, opener: Opener, *, request: bytes
) -> LostByFamilyOverAll:
    """Open the boxes of all of S with the opener's key. request: the SHA-256 of the signed score request.

    Raises `PeerError` for a box that is not of this request, department and opener, `MalformedMessage` for one with
    another number of families, and `ReasonsDoNotAddUp` if the sum is no points lost.
    """
    return sum_of(
        [
            unpack_reasons(
                unseal_with_key(
                    private, box, label=Label.SEALED_REASONS, context=reasons_context(request, department, opener)
                )
            )
            for department, box in boxes.items()
        ]
    )


def sum_of(words: list[NDArray[np.uint64]]) -> LostByFamilyOverAll:
    """Add the departments' words up; raises `ReasonsDoNotAddUp` if the sum is no points lost."""
    total = np.sum(words, axis=0, dtype=np.uint64)  # wraps round, as it should
    if not words or (total > len(words) * MOST_LOST).any():
        raise ReasonsDoNotAddUp("the departments' points lost do not add up: masks did not cancel", advice=_ADVICE)
    return np.asarray(total, np.uint64).view(np.int64)
