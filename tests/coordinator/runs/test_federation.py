"""What the bureau does with what it cannot read: adding up and sorting post."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.runs.federation import by_recipient, post_for, sum_of_words
from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId
from models.wire.envelope import Addressed

WORDS = st.integers(min_value=0, max_value=2**64 - 1)


@given(st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_words_are_added_modulo_2_to_the_64(shares: list[list[int]]) -> None:
    encoded = [b"".join(word.to_bytes(8, "little") for word in share) for share in shares]
    expected = b"".join((sum(column) % 2**64).to_bytes(8, "little") for column in zip(*shares, strict=True))
    assert sum_of_words(encoded) == expected


@pytest.mark.parametrize("shares", [[b"1234567"], [bytes(8), bytes(16)]])
def test_shares_of_other_lengths_are_refused(shares: list[bytes]) -> None:
    with pytest.raises(MalformedMessage):
        sum_of_words(shares)


def test_no_shares_make_an_empty_sum() -> None:
    assert sum_of_words([]) == b""


def test_post_is_sorted_by_recipient_and_then_by_sender() -> None:
    tax, courts, bank = (ParticipantId(name) for name in ("tax", "courts", "bank"))
    letters = {
        tax: (Addressed(participant=bank, payload=b"from tax"),),
        courts: (Addressed(participant=bank, payload=b"from courts"),),
    }
    arrived = post_for(bank, by_recipient(letters))
    assert [(one.participant, one.payload) for one in arrived] == [("courts", b"from courts"), ("tax", b"from tax")]
    assert post_for(tax, by_recipient(letters)) == ()
