"""A hash tree that grows: the roots of its complete subtrees, from the largest on the left to the smallest.

    size 13 = 8 + 4 + 1        root(0..7)  root(8..11)  leaf(12)

That is all that is needed to append leaves and to state the root after each: at most 62 digests for any log. Two
that agree in size and root agree in every leaf before, so whoever appends the same leaves as a log and comes to its
root has seen all of its leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Self

from crypto.errors import MalformedMessage
from crypto.merkle import DIGEST_BYTES, node_digest

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""

MAXIMUM_SIZE: Final = 1 << 62


class Frontier:
    """The right edge of a tree of `size` leaves."""

    __slots__ = ("_digests", "size")

    def __init__(self) -> None:
        self.size = 0
        self._digests: list[bytes] = []

    @classmethod
    def decode(cls, size: int, digests: bytes) -> Self:
        """What `encode` gave; raises `MalformedMessage` for another number of digests than the size has."""
        if not 0 <= size <= MAXIMUM_SIZE or len(digests) != DIGEST_BYTES * size.bit_count():
            raise MalformedMessage("the edge of a hash tree has one digest for each complete subtree")
        made = cls()
        made.size = size
        made._digests = [digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)]
        return made

    def encode(self) -> bytes:
        """The digests, the largest subtree's first."""
        return b"".join(self._digests)

    def copy(self) -> Frontier:
        """Another one of the same tree."""
        other = Frontier()
        other.size, other._digests = self.size, self._digests.copy()
        return other

    def append(self, leaf: bytes) -> None:
        """Take in the digest (32 bytes) of the next leaf."""
        digest, below = leaf, self.size
        while below & 1:
            digest = node_digest(self._digests.pop(), digest)
            below >>= 1
        self._digests.append(digest)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Take in the digests of the next leaves."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """The root (32 bytes) of the tree as it is."""
        if not self._digests:
            return EMPTY_ROOT
        root = self._digests[-1]
        for left in self._digests[-2::-1]:
            root = node_digest(left, root)
        return root
