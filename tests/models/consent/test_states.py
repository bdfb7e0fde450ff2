"""The states of a consent: every transition by name, every order of the log, and clocks that are wrong."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import ProtocolStateError
from models.consent.errors import ConsentRefused, ImpossibleChange
from models.consent.states import (
    CLOCK_TOLERANCE_SECONDS,
    FINAL,
    ConsentState,
    require_active,
    require_possible,
    state_of,
)
from models.wire.consent_change import ConsentChange, Reason, What
from simulations.enterprise.drawn_consent import CREATED, drawn_consent

FROM, END = CREATED + 1_000, CREATED + 9_000
CONSENT = drawn_consent(created_at=CREATED, valid_from=FROM, expires_at=END)
PENDING, ACTIVE, PAUSED, REVOKED, EXPIRED, REJECTED = ConsentState
BEFORE, DURING = CREATED + 500, FROM + 500


def change(what: What, at: int = DURING) -> ConsentChange:
    return ConsentChange(consent_digest=CONSENT.digest(), what=what, at=at, reason=Reason.OTHER)


PAUSE, RESUME, REVOKE, REJECT = What
# How each state is come to: the changes, and the time.
WAYS: dict[str, tuple[list[ConsentChange], int]] = {
    "pending": ([], BEFORE),
    "pending and to be paused": ([change(PAUSE, CREATED + 100)], BEFORE),
    "active": ([], DURING),
    "resumed": ([change(PAUSE, FROM + 100), change(RESUME, FROM + 200)], DURING),
    "paused": ([change(PAUSE, FROM + 100)], DURING),
    "revoked": ([change(REVOKE, FROM + 100)], DURING),
    "rejected": ([change(REJECT, CREATED + 100)], DURING),
    "expired": ([], END),
    "expired while paused": ([change(PAUSE, FROM + 100)], END),
}
# From, what, to. None: impossible, so that it is refused before it is logged and counts for nothing after it.
TABLE: list[tuple[str, What, ConsentState | None]] = [
    ("pending", PAUSE, PENDING),
    ("pending", RESUME, None),
    ("pending", REVOKE, REVOKED),
    ("pending", REJECT, REJECTED),
    ("pending and to be paused", PAUSE, PENDING),
    ("pending and to be paused", RESUME, PENDING),
    ("pending and to be paused", REVOKE, REVOKED),
    ("pending and to be paused", REJECT, REJECTED),
    ("active", PAUSE, PAUSED),
    ("active", RESUME, None),
    ("active", REVOKE, REVOKED),
    ("active", REJECT, None),
    ("resumed", PAUSE, PAUSED),
    ("resumed", RESUME, None),
    ("resumed", REVOKE, REVOKED),
    ("resumed", REJECT, None),
    ("paused", PAUSE, None),
    ("paused", RESUME, ACTIVE),
    ("paused", REVOKE, REVOKED),
    ("paused", REJECT, None),
    ("revoked", PAUSE, None),
    ("revoked", RESUME, None),
    ("revoked", REVOKE, None),
    ("revoked", REJECT, None),
    ("rejected", PAUSE, None),
    ("rejected", RESUME, None),
    ("rejected", REVOKE, None),
    ("rejected", REJECT, None),
    ("expired", PAUSE, None),
    ("expired", RESUME, None),
    ("expired", REVOKE, REVOKED),
    ("expired", REJECT, None),
    ("expired while paused", PAUSE, None),
    ("expired while paused", RESUME, None),
    ("expired while paused", REVOKE, REVOKED),
    ("expired while paused", REJECT, None),
]


def test_the_table_has_every_transition() -> None:
    assert [(way, what) for way, what, _ in TABLE] == [(way, what) for way in WAYS for what in What]
    assert {state_of(CONSENT, changes, now) for changes, now in WAYS.values()} == set(ConsentState)
    assert {REVOKED, EXPIRED, REJECTED} == FINAL


@pytest.mark.parametrize(("way", "what", "to"), TABLE)
def test_each_transition_is_as_the_table_says(way: str, what: What, to: ConsentState | None) -> None:
    changes, now = WAYS[way]
    new = change(what, now)
    after = state_of(CONSENT, [*changes, new], now)
    if to is None:
        assert after is state_of(CONSENT, changes, now)
        with pytest.raises(ImpossibleChange) as caught:
            require_possible(CONSENT, changes, new, now)
        assert caught.value.advice
    else:
        assert after is to
        require_possible(CONSENT, changes, new, now)


@pytest.mark.parametrize(
    ("now", "state"),
    [(0, PENDING), (FROM - 1, PENDING), (FROM, ACTIVE), (END - 1, ACTIVE), (END, EXPIRED), (END + 10**9, EXPIRED)],
)
def test_a_consent_is_active_from_its_first_second_and_not_at_its_last(now: int, state: ConsentState) -> None:
    assert state_of(CONSENT, [], now) is state


def test_a_pause_before_the_start_holds_when_the_start_comes() -> None:
    changes = [change(PAUSE, BEFORE)]
    assert [state_of(CONSENT, changes, now) for now in (BEFORE, FROM, END)] == [PENDING, PAUSED, EXPIRED]
    changes.append(change(RESUME, BEFORE + 1))
    assert [state_of(CONSENT, changes, now) for now in (BEFORE, FROM, END)] == [PENDING, ACTIVE, EXPIRED]


def test_an_old_resumption_that_is_logged_again_ends_no_later_pause() -> None:
    resumed = change(RESUME, FROM + 200)
    changes = [change(PAUSE, FROM + 100), resumed, change(PAUSE, FROM + 300), resumed]
    # Where the last entry is believed, the keeper of the log has woken the consent.
    assert {PAUSE: PAUSED, RESUME: ACTIVE}[changes[-1].what] is ACTIVE
    assert state_of(CONSENT, changes, DURING) is PAUSED
    with pytest.raises(ImpossibleChange, match="time"):
        require_possible(CONSENT, changes, resumed, DURING)
    assert state_of(CONSENT, [*changes, change(RESUME, FROM + 301)], DURING) is ACTIVE


def test_a_resumption_in_the_second_of_its_pause_counts_for_nothing() -> None:
    assert state_of(CONSENT, [change(PAUSE), change(RESUME)], DURING) is PAUSED


def test_a_pause_with_a_slow_clock_does_not_shorten_the_one_before() -> None:
    changes = [change(PAUSE, FROM + 300), change(PAUSE, FROM + 100), change(RESUME, FROM + 200)]
    assert state_of(CONSENT, changes, DURING) is PAUSED


@pytest.mark.parametrize("at", [0, BEFORE, DURING, END, END + 10**6])
@pytest.mark.parametrize("what", [PAUSE, REVOKE])
def test_what_restricts_counts_whatever_time_it_claims(what: What, at: int) -> None:
    assert state_of(CONSENT, [change(what, at)], DURING) is (PAUSED if what is PAUSE else REVOKED)


def test_a_rejection_is_of_what_has_not_begun() -> None:
    assert state_of(CONSENT, [change(REJECT, FROM - 1)], DURING) is REJECTED
    assert state_of(CONSENT, [change(REJECT, FROM)], DURING) is ACTIVE


@pytest.mark.parametrize(("ahead", "taken"), [(CLOCK_TOLERANCE_SECONDS, True), (CLOCK_TOLERANCE_SECONDS + 1, False)])
def test_a_change_that_claims_a_time_to_come_is_not_logged(ahead: int, taken: bool) -> None:
    new = change(PAUSE, DURING + ahead)
    if taken:
        require_possible(CONSENT, [], new, DURING)
    else:
        with pytest.raises(ImpossibleChange, match="time to come"):
            require_possible(CONSENT, [], new, DURING)


def test_a_change_of_another_consent_is_a_bug_of_the_caller() -> None:
    other = replace(CONSENT, maximum_uses=2)
    with pytest.raises(ProtocolStateError):
        state_of(other, [change(REVOKE)], DURING)
    with pytest.raises(ProtocolStateError):
        require_possible(other, [], change(REVOKE), DURING)


@pytest.mark.parametrize("way", WAYS)
def test_only_an_active_consent_may_be_used(way: str) -> None:
    changes, now = WAYS[way]
    state = state_of(CONSENT, changes, now)
    if state is ACTIVE:
        require_active(CONSENT, changes, now)
    else:
        with pytest.raises(ConsentRefused, match=state) as caught:
            require_active(CONSENT, changes, now)
        assert caught.value.advice


times = st.integers(CREATED - 1000, END + 1000)
logs = st.lists(st.builds(change, st.sampled_from(What), times), max_size=6)


@given(logs, times)
def test_every_log_has_a_state_and_a_revoked_consent_never_wakes(changes: list[ConsentChange], now: int) -> None:
    state = state_of(CONSENT, changes, now)
    ended = state_of(CONSENT, [*changes, change(REVOKE)], now)
    assert ended is (REJECTED if state is REJECTED else REVOKED)
    assert state_of(CONSENT, [*changes, change(REVOKE), *changes], now) is ended
    assert state not in FINAL or state_of(CONSENT, changes, now + 1) is state


@given(logs, times, st.data())
def test_what_was_logged_before_wakes_nothing_when_it_is_logged_again(
    changes: list[ConsentChange], now: int, data: st.DataObject
) -> None:
    # The keeper of the log has no signature but those that it was given, each later than the one before.
    honest = [replace(one, at=FROM + at) for at, one in enumerate(changes)]
    again = data.draw(st.lists(st.sampled_from(honest), max_size=4)) if honest else []
    if state_of(CONSENT, honest, now) is not ACTIVE:
        assert state_of(CONSENT, [*honest, *again], now) is not ACTIVE


@given(logs, st.builds(change, st.sampled_from(What), times), times)
def test_what_is_refused_before_the_log_does_nothing_in_it_or_restricts(
    changes: list[ConsentChange], new: ConsentChange, now: int
) -> None:
    if new.at > now:
        return
    before = state_of(CONSENT, changes, now)
    try:
        require_possible(CONSENT, changes, new, now)
    except ImpossibleChange:
        # A rejection that is late, and claims not to be, ends the consent if it is logged all the same.
        assert state_of(CONSENT, [*changes, new], now) in {before, REJECTED}
