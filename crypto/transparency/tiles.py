"""A hash tree as it lies on a disk, and the proofs that are read from it: C2SP tlog-tiles.

A tile is up to 256 digests beside one another, 8 levels of the tree at once:

    level 0    the digests of leaves
    level l    each digest is the root of a complete tile of level l - 1

    tile/0/x001/x234/067          the tile 1234067 of level 0, 256 digests
    tile/1/004.p/112              the tile 4 of level 1 while it has 112 digests

A complete tile never changes. Digests between the levels are computed from those of a tile.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from crypto.errors import ProtocolStateError
from crypto.merkle import DIGEST_BYTES, left_leaves, node_digest
from crypto.transparency.frontier import EMPTY_ROOT, Frontier

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
_TREES_AT_HAND: Final = 256

_TileTree = tuple[tuple[bytes, ...], ...]
"""The digests of a tile and of all nodes over them: by height above the tile, then from the left."""


@dataclass(frozen=True, slots=True)
class TileAt:
    """The place of a tile; `width`: how many digests it has."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Where it is found, below the log's prefix."""
        return f"tile/{self.level}/{index_path(self.index)}{width_suffix(self.width)}"


def index_path(index: int) -> str:
    """An index in groups of three digits: 1234067 is x001/x234/067."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    return "/".join(reversed(groups))


def width_suffix(width: int) -> str:
    """What a tile or a bundle of entries that is not complete has at the end of its path."""
    return "" if width == TILE_WIDTH else f".p/{width}"


def tile_at(level: int, index: int, size: int) -> TileAt:
    """A tile of a tree of `size` leaves, as wide as it is there."""
    width = min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - index * TILE_WIDTH)
    if width <= 0:
        raise ProtocolStateError("a tree of this size has no such tile")
    return TileAt(level, index, width)


class TileSource(Protocol):
    """Where tiles are kept."""

    def tile(self, at: TileAt) -> bytes:
        """Its digests, one after the other."""
        ...


class TileEdge:
    """The tiles at the right edge of a tree, which leaves are appended to."""

    def __init__(self, size: int = 0, source: TileSource | None = None) -> None:
        self.size = size
        self._levels: list[list[bytes]] = []
        while source is not None and (size >> TILE_HEIGHT * len(self._levels)):
            level = len(self._levels)
            here = size >> TILE_HEIGHT * level
            data = source.tile(tile_at(level, here // TILE_WIDTH, size)) if here % TILE_WIDTH else b""
            self._levels.append(_digests(data))

    def append(self, leaves: Iterable[bytes]) -> dict[TileAt, bytes]:
        """The tiles that these leaves (digests of 32 bytes) fill or change, as they are after all of them."""
        tiles: dict[TileAt, bytes] = {}
        changed: set[int] = set()
        for leaf in leaves:
            self._add(0, leaf, tiles, changed)
            self.size += 1
        for level in sorted(changed):
            if digests := self._levels[level]:
                index = (self.size >> TILE_HEIGHT * level) // TILE_WIDTH
                tiles[TileAt(level, index, len(digests))] = b"".join(digests)
        return tiles

    def _add(self, level: int, digest: bytes, tiles: dict[TileAt, bytes], changed: set[int]) -> None:
        if level == len(self._levels):
            self._levels.append([])
        digests = self._levels[level]
        digests.append(digest)
        changed.add(level)
        if len(digests) == TILE_WIDTH:
            index = self.size >> TILE_HEIGHT * (level + 1)  # the leaf that fills it is not counted yet
            tiles[TileAt(level, index)] = b"".join(digests)
            self._levels[level] = []
            self._add(level + 1, _tree(digests)[TILE_HEIGHT][0], tiles, changed)


class CompleteTiles:
    """The trees over some complete tiles, which never change: one for all readers of a log."""

    def __init__(self) -> None:
        self._trees: OrderedDict[tuple[int, int], _TileTree] = OrderedDict()

    def get(self, place: tuple[int, int]) -> _TileTree | None:
        """The tree over the tile of this level and index, if it is at hand."""
        if place in self._trees:
            self._trees.move_to_end(place)
        return self._trees.get(place)

    def keep(self, place: tuple[int, int], tree: _TileTree) -> None:
        """Have it at hand; the one that was not used for longest goes."""
        self._trees[place] = tree
        if len(self._trees) > _TREES_AT_HAND:
            self._trees.popitem(last=False)


class TreeReader:
    """The tree of the first `size` leaves, read from tiles of at least as many."""

    def __init__(self, source: TileSource, size: int, *, complete: CompleteTiles | None = None) -> None:
        self.size = size
        self._source = source
        self._complete = complete or CompleteTiles()
        self._partial: dict[tuple[int, int], _TileTree] = {}
        self._edges: dict[int, bytes] = {}

    def root(self) -> bytes:
        """The root (32 bytes)."""
        return self._range(0, self.size) if self.size else EMPTY_ROOT

    def frontier(self) -> Frontier:
        """What leaves can be appended to."""
        digests, start = [], 0
        for height in range(self.size.bit_length() - 1, -1, -1):
            if self.size >> height & 1:
                digests.append(self._subtree(height, start >> height))
                start += 1 << height
        return Frontier.decode(self.size, b"".join(digests))

    def leaf(self, index: int) -> bytes:
        """The digest of a leaf."""
        self._require(index)
        return self._subtree(0, index)

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        """The digests beside the way from a leaf to the root: RFC 6962, section 2.1.1."""
        self._require(index)
        beside: list[bytes] = []
        start, end = 0, self.size
        while end - start > 1:
            middle = start + left_leaves(end - start)
            if index < middle:
                beside.append(self._range(middle, end))
                end = middle
            else:
                beside.append(self._range(start, middle))
                start = middle
        return tuple(reversed(beside))

    def consistency(self, old_size: int) -> tuple[bytes, ...]:
        """That the tree of the first `old_size` leaves is the beginning of this one: RFC 6962, section 2.1.2."""
        if not 0 <= old_size <= self.size:
            raise ProtocolStateError("a tree is no beginning of a smaller one")
        if old_size in (0, self.size):
            return ()
        proof: list[bytes] = []
        start, end, whole = 0, self.size, True
        while old_size != end:
            middle = start + left_leaves(end - start)
            if old_size <= middle:
                proof.append(self._range(middle, end))
                end = middle
            else:
                proof.append(self._range(start, middle))
                start, whole = middle, False
        if not whole:
            proof.append(self._range(start, end))
        return tuple(reversed(proof))

    def _require(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise ProtocolStateError("a tree of this size has no such leaf")

    def _range(self, start: int, end: int) -> bytes:
        """The root of the leaves from `start` on, which is a multiple of the largest subtree among them."""
        count = end - start
        if count & (count - 1) == 0:
            height = count.bit_length() - 1
            return self._subtree(height, start >> height)
        # Only the range at the right edge is not complete, and all proofs have the same ones.
        if (known := self._edges.get(start)) is None:
            middle = start + left_leaves(count)
            known = node_digest(self._range(start, middle), self._range(middle, end))
            if end == self.size:
                self._edges[start] = known
        return known

    def _subtree(self, height: int, index: int) -> bytes:
        """The root of a complete subtree, the `index`th of its height from the left."""
        level, within = divmod(height, TILE_HEIGHT)
        place = index << within
        return self._tile(level, place >> TILE_HEIGHT)[within][(place & (TILE_WIDTH - 1)) >> within]

    def _tile(self, level: int, index: int) -> _TileTree:
        place = level, index
        tree = self._partial.get(place) or self._complete.get(place)
        if tree is None:
            at = tile_at(level, index, self.size)
            tree = _tree(_digests(self._source.tile(at)))
            if at.width == TILE_WIDTH:
                self._complete.keep(place, tree)
            else:
                self._partial[place] = tree
        return tree


def _digests(data: bytes) -> list[bytes]:
    return [data[at : at + DIGEST_BYTES] for at in range(0, len(data), DIGEST_BYTES)]


def _tree(digests: list[bytes]) -> _TileTree:
    """All complete subtrees over the digests of a tile."""
    levels = [tuple(digests)]
    while len(below := levels[-1]) > 1:
        levels.append(tuple(node_digest(left, right) for left, right in zip(below[::2], below[1::2], strict=False)))
    return tuple(levels)
