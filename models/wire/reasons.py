"""Points lost by reason family, from each department of a score's set S: `docs/protocols.md`, "Explanations".

    words_j = lost_j + mask_j  mod 2^64           sum over S of mask_j = 0        one word a family, in the list's order
    box_j   = seal(opener's X25519 key, words_j)  under the context of this request, department and opener

dept. -> opener   SealedReasons    one for each who may open: bank, enterprise or both. All hold the same masked words

| who                    | learns                                                                                   |
|------------------------|------------------------------------------------------------------------------------------|
| department             | nothing of the others                                                                    |
| bureau                 | who may open; a box is as long as every other                                            |
| opener                 | the sum over S by family. A family that only one department has is that department's own |
| opener and bureau      | the same: one department's box opens to uniform words                                    |

The sum is in fixed point, as partials are. `models/reasons/lost.py` says what is lost, `opening.py` beside it opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from crypto.identifiers import ParticipantId
from crypto.labels import Label, labelled
from crypto.sealed import OVERHEAD_BYTES
from models.reasons.families import MOST_FAMILIES, packaged_families
from models.wire.codec import WORD_BYTES, Digest, WireMessage, pack_words, unpack_words
from models.wire.envelope import Addressed

MAXIMUM_BOX_BYTES: Final = MOST_FAMILIES * WORD_BYTES + OVERHEAD_BYTES


class Opener(StrEnum):
    """Who opens a box."""

    BANK = "bank"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedReasons(WireMessage):
    """One department's masked points lost, sealed to one opener."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 9
    opener: Opener
    box: Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_BOX_BYTES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterpriseReasons(WireMessage):
    """What a bank hands on to the enterprise: the boxes of a request that only the enterprise opens, by department."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 18
    request: Digest
    boxes: tuple[Addressed, ...]


def reasons_context(request: bytes, department: ParticipantId, opener: Opener) -> bytes:
    """What a box is sealed under. request: the SHA-256 of the signed score request."""
    return labelled(Label.SEALED_REASONS, request, department.encode(), opener.encode())


def pack_reasons(words: NDArray[np.uint64]) -> bytes:
    """The plaintext of a box."""
    return pack_words(words)


def unpack_reasons(data: bytes) -> NDArray[np.uint64]:
    """The words of a box, one for each family of the list; raises `MalformedMessage` for any other number of them."""
    return unpack_words(data, len(packaged_families()))
