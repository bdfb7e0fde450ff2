"""Consistency and frontiers: RFC 6962's own examples, and trees that were changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage
from crypto.merkle import MerkleTree, leaf_digest, node_digest
from crypto.transparency.consistency import check_consistency
from crypto.transparency.errors import NotConsistent
from crypto.transparency.frontier import EMPTY_ROOT, Frontier

# certificate-transparency's own leaves, and the proofs of consistency that its tests expect of them.
LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
PROOFS = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def root(size: int) -> bytes:
    return MerkleTree.of([leaf_digest(bytes.fromhex(text)) for text in LEAVES[:size]]).root if size else EMPTY_ROOT


@pytest.mark.parametrize(("sizes", "proof"), PROOFS.items(), ids=str)
def test_the_published_proofs_of_consistency_hold(sizes: tuple[int, int], proof: list[str]) -> None:
    steps = [bytes.fromhex(step) for step in proof]
    check_consistency(sizes[0], root(sizes[0]), sizes[1], root(sizes[1]), steps)


@pytest.mark.parametrize(("sizes", "proof"), PROOFS.items(), ids=str)
def test_a_proof_that_is_changed_shortened_or_of_other_trees_is_refused(
    sizes: tuple[int, int], proof: list[str]
) -> None:
    steps, (old, new) = [bytes.fromhex(step) for step in proof], sizes
    tried = [[*steps, bytes(32)], steps[::-1], *([steps[:at] + steps[at + 1 :] for at in range(len(steps))])]
    tried += [[*steps[:at], bytes(32), *steps[at + 1 :]] for at in range(len(steps))]
    for wrong in tried:
        if wrong != steps:
            with pytest.raises(NotConsistent):
                check_consistency(old, root(old), new, root(new), wrong)
    for old_root, new_root in ((bytes(32), root(new)), (root(old), bytes(32))):
        with pytest.raises(NotConsistent):
            check_consistency(old, old_root, new, new_root, steps)


def test_a_log_neither_shrinks_nor_has_two_states_of_one_size() -> None:
    check_consistency(0, EMPTY_ROOT, 8, root(8), [])
    check_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    for arguments in (
        *((8, root(8), 5, root(5)), (5, root(5), 5, root(6)), (0, root(1), 8, root(8)), (-1, EMPTY_ROOT, 8, root(8))),
        (8, root(8), (1 << 62) + 1, root(8)),
    ):
        with pytest.raises(NotConsistent):
            check_consistency(*arguments, [])
    with pytest.raises(NotConsistent):
        check_consistency(3, root(3), 8, root(8), [bytes(32)] * 64)


@given(st.integers(0, 400), st.integers(0, 50))
def test_a_frontier_has_the_root_of_its_leaves_however_they_came(size: int, more: int) -> None:
    leaves = [leaf_digest(number.to_bytes(4, "big")) for number in range(size + more)]
    frontier = Frontier()
    frontier.extend(leaves[:size])
    again = Frontier.decode(size, frontier.encode())
    copied = again.copy()
    again.extend(leaves[size:])
    assert again.size == size + more
    assert again.root() == (MerkleTree.of(leaves).root if leaves else EMPTY_ROOT)
    assert copied.root() == frontier.root()
    assert len(again.encode()) == 32 * (size + more).bit_count()


def test_a_frontier_has_one_digest_for_each_complete_subtree() -> None:
    for size, digests in ((1, b""), (3, bytes(32)), (0, bytes(32)), (-1, b""), ((1 << 62) + 1, bytes(64))):
        with pytest.raises(MalformedMessage):
            Frontier.decode(size, digests)
    left, right = leaf_digest(b"1"), leaf_digest(b"2")
    frontier = Frontier()
    frontier.extend([left, right])
    assert frontier.encode() == frontier.root() == node_digest(left, right)
