"""That a tree is the beginning of a larger one: RFC 9162, section 2.1.4.2 (the proofs of RFC 6962, section 2.1.2)."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

from crypto.merkle import node_digest
from crypto.transparency.errors import NotConsistent
from crypto.transparency.frontier import EMPTY_ROOT, MAXIMUM_SIZE

MAXIMUM_STEPS: Final = 63
"""No proof is longer."""


def check_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise `NotConsistent` unless `proof` shows the tree of `old_size` leaves to be the beginning of the new one.

    Roots and the digests of the proof are 32 bytes each. Every tree begins with the empty one.
    """
    if not 0 <= old_size <= new_size <= MAXIMUM_SIZE or len(proof) > MAXIMUM_STEPS:
        raise NotConsistent("a log does not become smaller")
    if old_size in (0, new_size):
        same = old_root == (EMPTY_ROOT if old_size == 0 else new_root)
        if proof or not same:
            raise NotConsistent("a log has two states of one size")
        return
    old, new = _roots(old_size, old_root, new_size, proof)
    if not (hmac.compare_digest(old, old_root) and hmac.compare_digest(new, new_root)):
        raise NotConsistent("a log is not what it was with more at its end")


def _roots(old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The two roots that a proof leads to: from the last complete subtree of the old tree up."""
    steps = list(proof)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)  # the whole old tree is a subtree of the new one, and need not be sent
    if not steps:
        raise NotConsistent("a proof of consistency is too short")
    old_at, new_at = old_size - 1, new_size - 1
    while old_at & 1:
        old_at, new_at = old_at >> 1, new_at >> 1
    old = new = steps[0]
    for beside in steps[1:]:
        if new_at == 0:
            raise NotConsistent("a proof of consistency is too long")
        if old_at & 1 or old_at == new_at:
            old, new = node_digest(beside, old), node_digest(beside, new)
            while old_at and not old_at & 1:
                old_at, new_at = old_at >> 1, new_at >> 1
        else:
            new = node_digest(new, beside)
        old_at, new_at = old_at >> 1, new_at >> 1
    if new_at:
        raise NotConsistent("a proof of consistency is too short")
    return old, new
