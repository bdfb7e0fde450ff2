"""A department seals its points lost to whom the consent names: `models/wire/reasons.py` has the protocol.

What is sealed here is masked already: by the zero-sum mask of this department for this request among S, with
`Purpose.ONLINE_REASONS`. Without it each box would tell one department's points.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from crypto.errors import ProtocolStateError
from crypto.identifiers import ParticipantId
from crypto.labels import Label
from crypto.sealed import seal_to_key
from models.reasons.families import packaged_families
from models.wire.reasons import Opener, SealedReasons, pack_reasons, reasons_context


def sealed_reasons(
    masked: NDArray[np.uint64], openers: Mapping[Opener, bytes], *, request: bytes, department: ParticipantId
) -> tuple[SealedReasons, ...]:
    """Seal masked words, one for each family of the list, to each opener, in the order of `Opener`.

    openers: the X25519 key (32 bytes) of each. request: the SHA-256 of the signed score request.
    Raises `MalformedMessage` for a key that is none.
    """
    if masked.shape != (len(packaged_families()),):
        raise ProtocolStateError("points lost have a word for each reason family of the list")
    plaintext = pack_reasons(masked)
    return tuple(
        SealedReasons(
            opener=opener,
            box=seal_to_key(
                openers[opener],
                plaintext,
                label=Label.SEALED_REASONS,
                context=reasons_context(request, department, opener),
            ),
        )
        for opener in Opener
        if opener in openers
    )
