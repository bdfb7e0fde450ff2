"""Hash trees: the roots of RFC 6962, and paths that fit one place only."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import PeerError, ProtocolStateError
from crypto.merkle import MerkleTree, leaf_digest, root_of_path

# The leaves and roots that certificate-transparency's own tests use (RFC 6962, section 2.1).
LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def leaves(count: int) -> list[bytes]:
    return [leaf_digest(bytes([number])) for number in range(count)]


@pytest.mark.parametrize("size", ROOTS)
def test_the_root_is_that_of_rfc_6962(size: int) -> None:
    tree = MerkleTree.of([leaf_digest(bytes.fromhex(text)) for text in LEAVES[:size]])
    assert tree.root.hex() == ROOTS[size]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 26])
def test_a_path_leads_from_its_leaf_to_the_root_and_from_no_other_place(size: int) -> None:
    digests = leaves(size)
    tree = MerkleTree.of(digests)
    for index, (leaf, path) in enumerate(zip(digests, tree.paths, strict=True)):
        assert root_of_path(leaf, index, size, path) == tree.root
        for other in set(range(size)) - {index}:
            try:
                assert root_of_path(leaf, other, size, path) != tree.root
            except PeerError:
                assert len(tree.paths[other]) != len(path)


def test_the_order_and_the_number_of_leaves_count() -> None:
    digests = leaves(5)
    assert (
        len({MerkleTree.of(some).root for some in (digests, digests[::-1], digests[:4], [*digests, digests[4]])}) == 4
    )


def test_a_node_does_not_pass_for_a_leaf() -> None:
    left, right = leaves(2)
    node = MerkleTree.of([left, right]).root
    assert leaf_digest(left + right) != node
    assert hashlib.sha256(b"\x01" + left + right).digest() == node


@given(st.binary(max_size=200))
def test_a_path_of_another_length_is_refused_and_any_other_gives_another_root(path: bytes) -> None:
    digests = leaves(5)
    tree = MerkleTree.of(digests)
    if len(path) != len(tree.paths[1]):
        with pytest.raises(PeerError):
            root_of_path(digests[1], 1, 5, path)
    elif path != tree.paths[1]:
        assert root_of_path(digests[1], 1, 5, path) != tree.root


def test_a_tree_has_leaves_and_a_path_one_of_their_places() -> None:
    with pytest.raises(ProtocolStateError):
        MerkleTree.of([])
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(ProtocolStateError):
            root_of_path(bytes(32), index, size, b"")
