"""A witness goes on from what it has seen with what it is shown, or says that the log is not what it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage, PeerError
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.errors import LogForked, NotConsistent, OtherStateSeen
from crypto.transparency.frontier import Frontier
from crypto.transparency.witness import Growth, grown, require_root

ORIGIN = "bureau.example/log"
LEAVES = [leaf_digest(b"%d" % number) for number in range(100)]


def tree(leaves: list[bytes]) -> Frontier:
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier


def checkpoint(leaves: list[bytes]) -> Checkpoint:
    return Checkpoint(ORIGIN, len(leaves), tree(leaves).root())


def shown(seen: int, start: int, end: int, leaves: list[bytes] = LEAVES) -> Growth:
    return grown(tree(LEAVES[:seen]), checkpoint(leaves[:end]), start, leaves[start:end])


@pytest.mark.parametrize(("seen", "start", "end"), [(0, 0, 1), (0, 0, 100), (7, 7, 64), (7, 3, 8), (64, 0, 65)])
def test_new_entries_are_appended_to_what_was_seen_wherever_they_begin(seen: int, start: int, end: int) -> None:
    growth = shown(seen, start, end)
    assert (growth.frontier.size, growth.frontier.root()) == (end, tree(LEAVES[:end]).root())
    assert growth.roots == tuple(tree(LEAVES[:size]).root() for size in range(seen + 1, end + 1))


@pytest.mark.parametrize("size", [0, 1, 50])
def test_the_same_state_again_is_no_growth(size: int) -> None:
    assert shown(size, size, size).roots == ()


def test_entries_that_leave_some_out_are_asked_for_from_there() -> None:
    with pytest.raises(OtherStateSeen) as caught:
        shown(7, 8, 64)
    assert caught.value.size == 7


@pytest.mark.parametrize("changed", [0, 6])
def test_a_log_that_changed_what_was_seen_is_refused(changed: int) -> None:
    other = [*LEAVES[:changed], leaf_digest(b"other"), *LEAVES[changed + 1 :]]
    with pytest.raises(NotConsistent):
        shown(7, 7, 64, other)


def test_an_entry_that_is_not_shown_as_it_is_in_the_log_is_refused() -> None:
    with pytest.raises(NotConsistent):
        grown(tree(LEAVES[:7]), checkpoint(LEAVES[:9]), 7, [LEAVES[7], leaf_digest(b"other")])


def test_two_states_of_one_size_are_a_fork() -> None:
    with pytest.raises(LogForked):
        grown(tree(LEAVES[:7]), Checkpoint(ORIGIN, 7, bytes(32)), 7, [])
    with pytest.raises(LogForked):
        require_root(checkpoint(LEAVES[:7]), tree(LEAVES[:6]).root())


@pytest.mark.parametrize(("start", "end"), [(7, 63), (6, 62)])
def test_entries_that_do_not_end_at_the_checkpoint_are_refused(start: int, end: int) -> None:
    with pytest.raises(MalformedMessage):
        grown(tree(LEAVES[:7]), checkpoint(LEAVES[:64]), start, LEAVES[start:end])


def test_a_smaller_state_is_not_taken_for_growth() -> None:
    with pytest.raises(MalformedMessage):
        shown(7, 0, 6)


@given(seen=st.integers(0, 40), start=st.integers(0, 40), end=st.integers(0, 40), change=st.none() | st.integers(0, 39))
def test_either_a_witness_has_seen_the_whole_tree_or_it_refuses(
    seen: int, start: int, end: int, change: int | None
) -> None:
    leaves = list(LEAVES)
    if change is not None:
        leaves[change] = leaf_digest(b"other")
    try:
        growth = shown(seen, start, end, leaves)
    except PeerError:
        assert start > seen or end < max(seen, start) or (change is not None and change < seen)
    else:
        assert growth.frontier.root() == tree(leaves[:end]).root()
