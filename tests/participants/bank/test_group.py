"""The banks' common sums: a count that protection rests on cannot be shifted by who adds the shares up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.runs.federation import sum_of_words
from crypto.errors import PeerError
from crypto.fixed_point import Words
from crypto.identifiers import RunId
from crypto.masks import GroupPad, MemoryLedger
from models.wire.steps import Purpose
from models.wire.training import Turn
from participants.bank.group import COUNT_WORDS, BankGroup
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.online_rehearsal import OnlineRehearsal

KEY = bytes(range(32))


class EndsWithTheTest(FileLedger):
    """A ledger in memory alone, so that the shared homes stay as they are."""

    def __init__(self) -> None:
        self._memory = MemoryLedger()

    def claim(self, digest: bytes) -> None:
        self._memory.claim(digest)


class SharedKey(BankGroup):
    """Banks that have their key already."""

    def _pad(self) -> GroupPad:
        return GroupPad(KEY)


@pytest.fixture
def groups(rehearsal: OnlineRehearsal) -> list[SharedKey]:
    homes = [rehearsal.home(bank) for bank in rehearsal.drawn.banks]
    return [SharedKey(Run(home, home.identity(), EndsWithTheTest(), RunId("drawn"))) for home in homes]


def shared(groups: list[SharedKey], counts: tuple[int, int]) -> tuple[Turn, Words]:
    """What a bank reads of two banks' counts, before it checks them."""
    turn = groups[0]._run.setup_turn()
    shares = [
        group.share(turn, Purpose.CURVATURE, group.counted_words(turn, Purpose.CURVATURE, count))
        for group, count in zip(groups, counts, strict=True)
    ]
    return turn, groups[0].total(turn, Purpose.CURVATURE, sum_of_words(shares), COUNT_WORDS)


def test_both_banks_read_the_sum_of_their_counts(groups: list[SharedKey]) -> None:
    turn, words = shared(groups, (300, 123))
    assert [group.checked_count(turn, Purpose.CURVATURE, words) for group in groups] == [423, 423]


@given(shift=st.integers(-423, 2**63), factors=st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=2))
def test_a_count_that_the_bureau_shifts_is_noticed(shift: int, factors: list[int]) -> None:
    # The secret factors are fixed by the key; whatever multiples the bureau adds, they are not those.
    group = SharedKey.__new__(SharedKey)
    group._factors = lambda *_: np.array([2**61 + 7, 2**59 + 1], dtype=np.uint64)  # type: ignore[method-assign]
    turn = Turn(run_id="r", round=0, attempt=0, departments=(), banks=())
    honest = group.counted_words(turn, Purpose.CURVATURE, 423)
    added = [shift % 2**64, *(factor * shift % 2**64 for factor in factors)]
    altered = honest + np.array(added, dtype=np.uint64)
    if not np.array_equal(altered, honest):
        with pytest.raises(PeerError, match="altered"):
            group.checked_count(turn, Purpose.CURVATURE, altered)


def test_a_bureau_that_adds_to_the_rows_is_believed_by_who_reads_them_alone_and_refused_by_ours(
    groups: list[SharedKey],
) -> None:
    turn, words = shared(groups, (300, 123))
    words[0] += np.uint64(1_000_000)
    assert int(words[0]) == 1_000_423
    with pytest.raises(PeerError, match="altered"):
        groups[1].checked_count(turn, Purpose.CURVATURE, words)


def test_another_step_has_other_factors(groups: list[SharedKey]) -> None:
    turn, words = shared(groups, (300, 123))
    with pytest.raises(PeerError):
        groups[0].checked_count(turn, Purpose.CURVATURE, words, step=1)
