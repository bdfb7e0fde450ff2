"""One digest for a list of byte strings, and proofs that a string stands at its place in the list.

The hash tree of RFC 6962, section 2.1, with SHA-256:

    leaf(d)              SHA-256(0x00 | d)
    node(left, right)    SHA-256(0x01 | left | right)
    root of n leaves     node(root of the first k, root of the rest), k the largest power of 2 below n

Leaves and nodes are hashed apart, so no node passes for a leaf. The root says nothing of how many leaves there are: who
checks a path knows that from elsewhere.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from crypto.errors import PeerError, ProtocolStateError

DIGEST_BYTES: Final = 32
MAXIMUM_LEAVES: Final = 1 << 20
"""Of a tree that is made at once; paths may be of larger ones."""


def leaf_digest(data: bytes) -> bytes:
    """The digest (32 bytes) of one string of the list."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    """The digest (32 bytes) of a node over two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class MerkleTree:
    """The root (32 bytes), and each leaf's path: the digests beside its way up, from the leaf on, as one string."""

    root: bytes
    paths: tuple[bytes, ...]

    @classmethod
    def of(cls, leaves: Sequence[bytes]) -> Self:
        """The tree over leaf digests in their order: one at least."""
        if not 1 <= len(leaves) <= MAXIMUM_LEAVES:
            raise ProtocolStateError("a hash tree has one leaf at least, and not too many")
        if len(leaves) == 1:
            return cls(leaves[0], (b"",))
        middle = left_leaves(len(leaves))
        left, right = cls.of(leaves[:middle]), cls.of(leaves[middle:])
        paths = [path + right.root for path in left.paths] + [path + left.root for path in right.paths]
        return cls(node_digest(left.root, right.root), tuple(paths))


def root_of_path(leaf: bytes, index: int, size: int, path: bytes) -> bytes:
    """The root of the tree of `size` leaves in which `leaf` stands at `index`, if `path` is its path.

    Raises `PeerError` for a path of another length than there is at this place. The caller compares the root.
    """
    if not 0 <= index < size:
        raise ProtocolStateError("a hash tree has no such leaf")
    sides = _sides(index, size)
    if len(path) != DIGEST_BYTES * len(sides):
        raise PeerError("a path through a hash tree has another length than there is at its place")
    digest = leaf
    for level, beside_is_left in enumerate(sides):
        beside = path[DIGEST_BYTES * level : DIGEST_BYTES * (level + 1)]
        digest = node_digest(beside, digest) if beside_is_left else node_digest(digest, beside)
    return digest


def _sides(index: int, size: int) -> list[bool]:
    """For each step from the leaf up, whether what is beside stands on the left."""
    sides: list[bool] = []
    while size > 1:
        middle = left_leaves(size)
        sides.append(index >= middle)
        index, size = (index - middle, size - middle) if index >= middle else (index, middle)
    return sides[::-1]


def left_leaves(size: int) -> int:
    """How many of `size` leaves, two at least, are below the left of the root: the largest power of 2 below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
