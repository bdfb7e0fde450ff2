"""Who would learn one department's points lost from boxes of reasons, and the weakened department where it works."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from crypto.identifiers import ParticipantId
from crypto.labels import Label
from crypto.masks import MaskContext, PairwiseSecrets
from crypto.sealed import unseal_with_key
from models.wire.reasons import Opener, reasons_context, unpack_reasons


def words_of_one_box(
    box: bytes, private: X25519PrivateKey, opener: Opener, *, request: bytes, department: ParticipantId
) -> NDArray[np.uint64]:
    """What a bureau, which hands over one box alone, and an opener find in it together: (families,) words."""
    context = reasons_context(request, department, opener)
    return unpack_reasons(unseal_with_key(private, box, label=Label.SEALED_REASONS, context=context))


def masked(words: NDArray[np.uint64], secrets: PairwiseSecrets, context: MaskContext) -> NDArray[np.uint64]:
    """What our department seals."""
    return words + secrets.zero_sum_mask(context, len(words))


def not_masked(words: NDArray[np.uint64], secrets: PairwiseSecrets, context: MaskContext) -> NDArray[np.uint64]:
    """What the weakened department seals: it trusts the box alone."""
    del secrets, context
    return words
