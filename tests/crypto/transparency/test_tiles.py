"""Tiles: their paths, and proofs that agree with the tree that is made at once."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import ProtocolStateError
from crypto.merkle import MerkleTree, leaf_digest, root_of_path
from crypto.transparency.consistency import check_consistency
from crypto.transparency.frontier import EMPTY_ROOT
from crypto.transparency.tiles import TileAt, TileEdge, TreeReader, index_path, tile_at

SIZES = (1, 2, 3, 7, 8, 13, 255, 256, 257, 511, 512, 700, 65_536 + 300)


class Kept:
    """Tiles in memory."""

    def __init__(self) -> None:
        self.tiles: dict[TileAt, bytes] = {}

    def tile(self, at: TileAt) -> bytes:
        """A tile; the beginning of a wider one if there is none of its width any more."""
        if at in self.tiles:
            return self.tiles[at]
        wider = next(one for width in range(at.width, 257) if (one := TileAt(at.level, at.index, width)) in self.tiles)
        return self.tiles[wider][: 32 * at.width]


def leaf(number: int) -> bytes:
    return leaf_digest(number.to_bytes(8, "big"))


@functools.cache
def kept(size: int) -> Kept:
    made, edge = Kept(), TileEdge()
    made.tiles |= edge.append(map(leaf, range(size)))
    assert edge.size == size
    return made


@pytest.mark.parametrize(
    ("index", "path"), [(0, "000"), (67, "067"), (1000, "x001/000"), (1234067, "x001/x234/067"), (999999, "x999/999")]
)
def test_an_index_is_a_path_of_groups_of_three_digits(index: int, path: str) -> None:
    assert index_path(index) == path


def test_a_tree_of_70000_leaves_has_the_tiles_that_the_specification_counts() -> None:
    made = kept(70_000).tiles
    complete = [at for at in made if at.width == 256]
    partial = {(at.level, at.width) for at in made if at.width < 256}
    assert [sum(at.level == level for at in complete) for level in range(3)] == [273, 1, 0]
    assert partial == {(0, 112), (1, 17), (2, 1)}
    assert TileAt(0, 273, 112).path == "tile/0/273.p/112"
    assert TileAt(1, 0).path == "tile/1/000"
    assert all(len(data) == 32 * at.width for at, data in made.items())


@pytest.mark.parametrize("size", SIZES)
def test_the_root_is_that_of_the_tree_that_is_made_at_once(size: int) -> None:
    reader = TreeReader(kept(size), size)
    assert reader.root() == MerkleTree.of([leaf(number) for number in range(size)]).root
    assert (reader.frontier().size, reader.frontier().root()) == (size, reader.root())


# certificate-transparency's own leaves, and the paths that its tests expect.
LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


@pytest.mark.parametrize(("place", "path"), PATHS.items(), ids=str)
def test_the_published_paths_are_read_from_tiles(place: tuple[int, int], path: list[str]) -> None:
    made = Kept()
    made.tiles |= TileEdge().append(leaf_digest(bytes.fromhex(text)) for text in LEAVES[: place[1]])
    assert [digest.hex() for digest in TreeReader(made, place[1]).inclusion(place[0])] == path


def test_a_tree_without_leaves_has_the_root_of_nothing() -> None:
    assert TreeReader(Kept(), 0).root() == EMPTY_ROOT


@pytest.mark.parametrize("size", SIZES[:12])
def test_paths_are_those_of_the_tree_that_is_made_at_once(size: int) -> None:
    reader, tree = TreeReader(kept(size), size), MerkleTree.of([leaf(number) for number in range(size)])
    for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
        path = reader.inclusion(index)
        assert b"".join(path) == tree.paths[index]
        assert reader.leaf(index) == leaf(index)


@settings(deadline=None)
@given(st.data())
def test_every_beginning_of_a_tree_is_shown_to_be_one(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 2000))
    old = data.draw(st.integers(0, size))
    tiles = kept(2000)
    new_tree, old_tree = TreeReader(tiles, size), TreeReader(tiles, old)
    check_consistency(old, old_tree.root(), size, new_tree.root(), new_tree.consistency(old))


@settings(deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_a_tree_that_grows_in_steps_has_the_tiles_of_one_that_was_filled_at_once(steps: list[int]) -> None:
    made, size = Kept(), 0
    for step in steps:
        edge = TileEdge(size, made)  # as after a restart
        made.tiles |= edge.append(map(leaf, range(size, size + step)))
        size += step
    assert TreeReader(made, size).root() == TreeReader(kept(2400), size).root()
    index = size // 3
    path = b"".join(TreeReader(made, size).inclusion(index))
    assert root_of_path(leaf(index), index, size, path) == TreeReader(made, size).root()
    assert all(made.tile(tile_at(0, number, size)) for number in range((size + 255) // 256))


def test_what_is_not_in_the_tree_is_not_read() -> None:
    reader = TreeReader(kept(13), 13)
    for index in (-1, 13):
        with pytest.raises(ProtocolStateError):
            reader.inclusion(index)
        with pytest.raises(ProtocolStateError):
            reader.leaf(index)
    for old in (-1, 14):
        with pytest.raises(ProtocolStateError):
            reader.consistency(old)
    with pytest.raises(ProtocolStateError):
        tile_at(0, 1, 256)
