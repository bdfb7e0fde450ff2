"""How often a consent may be used: in all and within thirty days, to the second."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.consent.errors import NoUseLeft
from models.consent.uses import MONTH_SECONDS, UsesLeft, require_use_left, uses_left
from simulations.enterprise.drawn_consent import CREATED, drawn_consent

NOW = CREATED
CONSENT = drawn_consent(created_at=NOW - 10**7, valid_from=NOW - 10**7, expires_at=NOW + 10**7)
LONG_AGO = NOW - 2 * MONTH_SECONDS


@pytest.mark.parametrize(
    ("used_at", "left"),
    [
        ([], UsesLeft(4, 2)),
        ([NOW], UsesLeft(3, 1)),
        ([NOW, NOW], UsesLeft(2, 0)),
        ([NOW, NOW, NOW], UsesLeft(1, 0)),
        ([LONG_AGO], UsesLeft(3, 2)),
        ([LONG_AGO] * 3, UsesLeft(1, 1)),
        ([LONG_AGO] * 4, UsesLeft(0, 0)),
        ([LONG_AGO] * 9, UsesLeft(0, 0)),
        ([NOW - MONTH_SECONDS, NOW], UsesLeft(2, 1)),
        ([NOW - MONTH_SECONDS + 1, NOW], UsesLeft(2, 0)),
        ([NOW + 3600, NOW + 10**6], UsesLeft(2, 0)),
    ],
    ids=range(11),
)
def test_uses_left_in_all_and_within_thirty_days(used_at: list[int], left: UsesLeft) -> None:
    assert uses_left(CONSENT, used_at, NOW) == left


def test_the_last_use_in_all_is_given_and_no_further_one() -> None:
    require_use_left(CONSENT, [LONG_AGO] * 3, NOW)
    with pytest.raises(NoUseLeft, match=r"as often as it allows$"):
        require_use_left(CONSENT, [LONG_AGO] * 4, NOW)


def test_the_last_use_within_thirty_days_is_given_and_no_further_one() -> None:
    require_use_left(CONSENT, [NOW - 1], NOW)
    with pytest.raises(NoUseLeft, match="within thirty days") as caught:
        require_use_left(CONSENT, [NOW - 2, NOW - 1], NOW)
    assert caught.value.advice
    require_use_left(CONSENT, [NOW - 2, NOW - 1], NOW - 2 + MONTH_SECONDS)


@given(st.lists(st.integers(0, 4 * MONTH_SECONDS), max_size=30), st.integers(1, 5), st.integers(5, 12))
def test_no_thirty_days_and_no_life_hold_more_uses_than_were_consented_to(
    asked: list[int], a_month: int, in_all: int
) -> None:
    consent = replace(CONSENT, uses_a_month=a_month, maximum_uses=in_all)
    given_at: list[int] = []
    for at in sorted(asked):
        try:
            require_use_left(consent, given_at, at)
        except NoUseLeft:
            continue
        given_at.append(at)
    assert len(given_at) <= in_all
    for start in given_at:
        assert sum(start <= at < start + MONTH_SECONDS for at in given_at) <= a_month


@given(st.lists(st.integers(0, 4 * MONTH_SECONDS), max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_uses_does_not_matter(used_at: list[int], order: Random) -> None:
    shuffled = used_at.copy()
    order.shuffle(shuffled)
    assert uses_left(CONSENT, shuffled, NOW) == uses_left(CONSENT, used_at, NOW)
