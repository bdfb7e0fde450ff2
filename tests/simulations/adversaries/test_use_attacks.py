"""Attacks of a bank that stretches a consent: each works where its check alone is left out, and is refused by ours.

What must hold: each misuse is refused with a problem of its own, and the refusal is in the log; one use is one request,
the first in the log, the same at every department, however many are made at once.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from coordinator.transparency_log.logged import Logged
from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from models.consent.uses import MONTH_SECONDS
from models.hosting.https.problems import problem_of
from models.wire.consent import Purpose
from models.wire.consent_change import What
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.online import RelayedRequest
from participants.department import scorer as scorer_module
from participants.department.consents import checks
from participants.department.consents.checks import FOLLOWS_SECONDS
from participants.department.database import open_database
from participants.department.database.tables import data_uses
from simulations.adversaries.consents import ANSWERED, AskingBench, LoggingGate, as_if, new_id
from simulations.adversaries.log import DishonestRehearsal
from simulations.enterprise.signatory import Bounds
from simulations.enterprise.willing import the_use, the_use_that_follows
from simulations.online import OnlineFederation


def leave_out(monkeypatch: pytest.MonkeyPatch, *checks: str) -> None:
    """Weaken all departments of this process."""
    for name in ("OF_THE_REQUEST", "OF_THE_RECORD"):
        kept = tuple(check for check in getattr(scorer_module, name) if check.__name__ not in checks)
        monkeypatch.setattr(scorer_module, name, kept)


@pytest.fixture
def bench(own: DishonestRehearsal, ours: OnlineFederation) -> AskingBench:
    return AskingBench(own, ours)


@pytest.fixture
def gate(bench: AskingBench) -> LoggingGate:
    return LoggingGate(bench)


def test_each_misuse_by_a_bank_is_refused_with_a_problem_of_its_own_and_the_refusal_is_in_the_log(
    bench: AskingBench, gate: LoggingGate
) -> None:
    own, enterprises = bench.own, bench.ours.enterprises
    bundle, other_bank = bench.given(0, Bounds(maximum_uses=2)), own.drawn.banks[1]
    assert gate.ask(bench.ask(the_use(bundle, 0))) == ANSWERED
    another_s = enterprises.consent(own.enterprise(0), other_bank)
    gone = bench.given(1)
    change = bench.signatory(1).change(gone.claimed(), What.REVOKE, at=bench.now)
    own.log.append([Logged.of(EntryKind.CONSENT_CHANGE, change.encode())])
    misused = {
        "consent-for-another-purpose": as_if(the_use(bundle, 1), purpose=Purpose.MONITORING),
        "consent-of-another-enterprise": as_if(the_use(bundle, 1), enterprise_id=own.enterprise(1)),
        "consent-of-another-bank": the_use(another_s, 0),
        "consent-not-active": the_use(gone, 0),
        "consent-used-up": the_use(bundle, 2),
        "use-taken": the_use(bundle, 0),
    }
    asked = {slug: bench.ask(use) for slug, use in misused.items()}
    assert {slug: gate.ask(one) for slug, one in asked.items()} == {slug: slug for slug in misused}
    assert gate.refusals() == {one.digest: slug for slug, one in asked.items()}


@pytest.mark.parametrize(
    ("check", "stretch"),
    [
        ("consent_is_for_this_purpose", {"purpose": Purpose.MONITORING}),
        ("consent_is_of_this_enterprise", {"enterprise_id": 1}),
        ("consent_is_to_this_bank", {}),
        ("consent_is_active", {}),
        ("consent_has_this_use", {}),
    ],
    ids=["purpose", "enterprise", "bank", "revoked", "uses"],
)
def test_each_misuse_is_answered_where_its_check_alone_is_left_out(
    bench: AskingBench, monkeypatch: pytest.MonkeyPatch, check: str, stretch: dict[str, object]
) -> None:
    own = bench.own
    bundle = bench.given(0, Bounds(maximum_uses=1))
    if check == "consent_is_to_this_bank":
        bundle = bench.ours.enterprises.consent(own.enterprise(0), own.drawn.banks[1])
    if check == "consent_is_active":
        change = bench.signatory(0).change(bundle.claimed(), What.REVOKE, at=bench.now)
        own.log.append([Logged.of(EntryKind.CONSENT_CHANGE, change.encode())])
    if "enterprise_id" in stretch:
        stretch = {"enterprise_id": own.enterprise(1)}
    asked = bench.ask(as_if(the_use(bundle, 1 if check == "consent_has_this_use" else 0), **stretch))
    assert ANSWERED not in bench.outcomes(asked)
    with monkeypatch.context() as patch:
        leave_out(patch, check)
        assert bench.sum_of_answers(asked) == bench.expected(1 if "enterprise_id" in stretch else 0)


@pytest.fixture
def later(own: DishonestRehearsal) -> Iterator[None]:
    before = own.clock.seconds
    yield
    own.clock.seconds = before


@pytest.mark.usefixtures("later")
def test_a_bank_asks_no_more_often_within_thirty_days_than_it_may_whatever_numbers_it_takes(
    bench: AskingBench, gate: LoggingGate
) -> None:
    bundle = bench.given(0, Bounds(maximum_uses=6, uses_a_month=2), Purpose.MONITORING)
    use = {number: as_if(the_use(bundle, number)) for number in range(6)}

    def ask(number: int) -> str:
        return gate.ask(bench.ask(use[number]))

    assert [ask(5), ask(0), ask(3)] == [ANSWERED, ANSWERED, "consent-used-up"]
    bench.own.clock.seconds += MONTH_SECONDS - 1
    assert ask(1) == "consent-used-up"
    bench.own.clock.seconds += 2
    # The tries that were refused are in the log under their numbers: a number that was tried is gone.
    assert [ask(2), ask(1), ask(4)] == [ANSWERED, "use-taken", "consent-used-up"]
    bench.own.clock.seconds += MONTH_SECONDS
    assert [ask(number) for number in range(6)] == ["use-taken"] * 6


# Many at once


def test_of_fifty_requests_at_once_for_the_last_use_of_a_consent_one_is_answered_the_same_at_every_department(
    bench: AskingBench,
) -> None:
    bundle = bench.given(0, Bounds(maximum_uses=2))
    assert bench.outcomes(bench.ask(the_use(bundle, 0))) == {ANSWERED}
    asked = [bench.ask(the_use(bundle, 2 if place % 10 == 9 else 1)) for place in range(50)]
    one_at_a_time = threading.Lock()
    together = threading.Barrier(10)

    def outcomes(place: int) -> dict[ParticipantId, str]:
        if place < 10:
            together.wait()
        names = bench.names[place % 4 :] + bench.names[: place % 4]
        with one_at_a_time:  # the simulated log; departments are asked by all threads at once
            requests = {name: bench.relayed(asked[place], name) for name in names}
        return {name: outcome_of(bench, name, request) for name, request in requests.items()}

    with ThreadPoolExecutor(10) as threads:
        found = list(threads.map(outcomes, range(50)))
    answered = [one for one in found if ANSWERED in one.values()]
    assert answered == [dict.fromkeys(bench.names, ANSWERED)]
    assert {slug for one in found for slug in one.values()} == {ANSWERED, "use-taken", "consent-used-up"}
    for name in bench.names:
        with open_database(bench.own.home(name)).reading() as connection:
            uses = connection.execute(select(data_uses.c.tag)).scalars().all()
        assert Counter(uses) == {the_use(bundle, 0).tag: 1, the_use(bundle, 1).tag: 1}


def outcome_of(bench: AskingBench, name: ParticipantId, request: RelayedRequest) -> str:
    try:
        bench.ours.scorers[name].answer(request)
    except PeerError as fault:
        return problem_of(fault).slug
    return ANSWERED


def test_of_two_requests_under_one_number_the_first_in_the_log_wins_whichever_a_department_sees_first(
    bench: AskingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = bench.given(0)
    first, second = (bench.ask(the_use(bundle, 0)) for _ in range(2))
    for asked in (first, second):
        bench.own.log.place_now(asked.request.document, asked.statement.use_tag)
    seen_first = bench.names[:2]
    for name in bench.names:
        order = (first, second) if name in seen_first else (second, first)
        found = {asked.digest: bench.outcome(asked, name) for asked in order}
        assert found == {first.digest: ANSWERED, second.digest: "use-taken"}
    with monkeypatch.context() as patch:
        leave_out(patch, "consent_has_this_use")
        assert bench.sum_of_answers(second) == bench.expected(0)


def test_a_request_that_follows_another_under_its_id_is_the_same_use_and_under_another_id_it_is_none(
    bench: AskingBench,
) -> None:
    """One department did not answer: the bank asks the others again, under the number that it has."""
    bundle, name = bench.given(0), new_id()
    use = the_use(bundle, 0)
    first = bench.ask(use, name)
    *up, down = bench.names
    bench.own.log.place_now(first.request.document, use.tag)
    assert bench.outcome(bench.ask(use, name, bench.own.offer(down)), up[0]) == "use-taken"
    following = the_use_that_follows(use, first.digest)
    second = bench.ask(following, name, bench.own.offer(down))
    assert bench.outcomes(second) == {ANSWERED}
    assert bench.outcomes(bench.ask(following, new_id(), bench.own.offer(down))) == {"use-taken"}
    assert {bench.outcome(first, one) for one in up} == {"request-conflict"}


@pytest.mark.usefixtures("later")
def test_a_bank_has_no_new_answers_for_as_long_as_it_likes_by_saying_that_they_follow_the_first(
    bench: AskingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, name = bench.given(0, Bounds(maximum_uses=1), Purpose.MONITORING), new_id()
    use = the_use(bundle, 0)
    first = bench.ask(use, name)
    following = the_use_that_follows(use, first.digest)
    assert bench.outcomes(first) == {ANSWERED}
    bench.own.clock.seconds += FOLLOWS_SECONDS
    assert bench.outcomes(bench.ask(following, name)) == {ANSWERED}
    bench.own.clock.seconds += 1
    asked = bench.ask(following, name)
    assert bench.outcomes(asked) == {"use-taken"}
    monkeypatch.setattr(checks, "FOLLOWS_SECONDS", 10**9)
    assert bench.sum_of_answers(asked) == bench.expected(0)


def test_a_bureau_that_logs_something_else_under_a_use_s_tag_first_has_it_taken_and_opens_nothing_by_it(
    bench: AskingBench,
) -> None:
    """It learns the tag with the request. It could as well not relay it; but this stands in the log, for all to see."""
    bundle = bench.given(0)
    asked = bench.ask(the_use(bundle, 0))
    junk = LogEntry(kind=EntryKind.REQUEST, digest=b"j" * 32, tag=asked.statement.use_tag)
    place = bench.own.log.force(Logged(junk))
    assert bench.outcomes(asked) == {"use-taken"}
    assert bench.own.log.entries(EntryKind.REQUEST)[-2:] == [junk, asked.statement.entry(asked.request.document)]
    assert place < bench.own.log.size - 1
    assert bench.outcomes(bench.ask(the_use(bundle, 1))) == {ANSWERED}
