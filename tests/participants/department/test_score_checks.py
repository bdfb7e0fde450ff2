"""Every step that a department takes before it answers: for each a request that fails there and nowhere before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from coordinator.transparency_log.logged import Logged
from crypto.errors import PeerError, ProtectionUnavailable, SignatureInvalid, YurongError
from crypto.identifiers import EnterpriseId
from crypto.transparency.errors import NotConsistent, NotIncluded, TooFewWitnesses
from models.hosting.https.problems import problem_of
from models.wire.consent import Purpose
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import What
from models.wire.log_entry import EntryKind
from models.wire.online import RelayedRequest
from participants.department import scorer as scorer_module
from participants.department.database import open_database
from participants.department.database.tables import (
    answered,
    consents,
    data_uses,
    log_seen,
    mask_contexts,
    requests,
)
from participants.department.errors import (
    AnsweredWithAnotherSet,
    ClockDisputed,
    ConsentUnusable,
    KeyNotInForce,
    ModelNotApproved,
    NotPermitted,
    RequestExpired,
)
from participants.department.score_checks import CHECKS, OF_THE_RECORD
from participants.department.scorer import Scorer
from simulations.adversaries.consents import AskingBench, as_if
from simulations.adversaries.log import DishonestRehearsal, with_another_entry
from simulations.adversaries.online import forged_requests, restated
from simulations.enterprise.signatory import ALL_ALLOWED, Bounds
from simulations.enterprise.willing import the_use
from simulations.local_log import EVIDENCE
from simulations.online import OnlineFederation

NAMES = [check.__name__ for check in CHECKS]


class Walk(AskingBench):
    """One department, requests to it about enterprises that nobody has asked about, and what is put right again."""

    def __init__(self, own: DishonestRehearsal, ours: OnlineFederation) -> None:
        super().__init__(own, ours)
        self.me = self.names[1]
        self.scorer = ours.scorers[self.me]
        self.put_right: list[Callable[[], object]] = []

    def good(self, **changes: Any) -> RelayedRequest:
        """A request that would be answered, but for what is said otherwise of the use."""
        bundle = self.given(self.own.unused(), changes.pop("bounds", ALL_ALLOWED))
        return self.relayed(self.ask(as_if(the_use(bundle, 0), **changes)), self.me)

    def restated(self, **changes: Any) -> RelayedRequest:
        """One whose bank signed something else."""
        request = self.good()
        return replace(request, document=restated(request.document, self.own.home(self.own.bank).identity(), **changes))

    def under(self, bundle: ConsentBundle, number: int = 0) -> RelayedRequest:
        return self.relayed(self.ask(as_if(the_use(bundle, number), providers=self.names)), self.me)

    def smuggled_in(self, bundle: ConsentBundle) -> ConsentBundle:
        """A consent that this department keeps although it would not take it."""
        row = {"digest": bundle.claimed().digest(), "bundle": bundle.encode(), "kept_at": self.now}
        with open_database(self.own.home(self.me)).begin() as connection:
            connection.execute(insert(consents), row)
        self.own.log.append([Logged(bundle.consent_entry)])
        return bundle

    def set_clock_ahead(self, seconds: int | None) -> None:
        with open_database(self.own.home(self.me)).begin() as connection:
            connection.execute(update(log_seen), {"clock_ahead_seconds": seconds})


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DishonestRehearsal]:
    with DishonestRehearsal(tmp_path_factory.mktemp("walked")) as made:
        yield made
        made.log.close()


@pytest.fixture
def walk(own: DishonestRehearsal) -> Iterator[Walk]:
    with own.online() as ours:
        walk = Walk(own, ours)
        yield walk
        for put_right in walk.put_right:
            put_right()
        own.clock.seconds = 1_800_000_000.0


# One request for each step


def of_another_signer(walk: Walk) -> RelayedRequest:
    request, other = walk.good(), walk.own.home(walk.own.drawn.banks[1]).identity()
    return replace(request, document=restated(request.document, other))


def with_a_question_of_nobody(walk: Walk) -> RelayedRequest:
    own = walk.own
    return forged_requests(
        own.home(own.bank).identity(),
        own.key,
        own.bank,
        own.drawn.version,
        {name: (own.home(name).identity().public, EnterpriseId("nobody")) for name in walk.names},
        of=walk.names,
        expires_at=walk.now + 30,
        log=own.log,
        consents=walk.ours.consents,
    )[walk.me]


def with_another_log(walk: Walk) -> RelayedRequest:
    request = walk.good()
    return replace(request, extension=with_another_entry(request.extension, EntryKind.REQUEST))


def of_too_few(walk: Walk) -> RelayedRequest:
    """This department wants all four to stand for the log, and is asked with two others."""
    home = walk.own.home(walk.me)
    walk.scorer = Scorer(home, clock=walk.own.clock, evidence=partial(EVIDENCE, quorum=4), new_pool=walk.own.pool)
    walk.put_right.append(walk.scorer.close)
    bundle = walk.given(walk.own.unused())
    return walk.relayed(walk.ask(the_use(bundle, 0), offer=walk.own.offer(walk.names[0])), walk.me)


def elsewhere_in_the_log(walk: Walk) -> RelayedRequest:
    request = walk.good()
    path = bytearray(request.inclusion)
    path[0] ^= 1
    return replace(request, inclusion=bytes(path))


def under_a_disputed_clock(walk: Walk) -> RelayedRequest:
    request = walk.good()
    walk.scorer.evidence.view.take_in(walk.own.log.newest())
    walk.set_clock_ahead(-301)
    walk.put_right.append(lambda: walk.set_clock_ahead(None))
    return request


def by_a_model_that_was_taken_back(walk: Walk) -> RelayedRequest:
    walk.approve(approved=False)
    walk.put_right.append(lambda: walk.approve(approved=True))
    return walk.good()


def without_permission(walk: Walk) -> RelayedRequest:
    walk.own.log.say(walk.asking, granted=False)
    walk.put_right.append(lambda: walk.own.log.say(walk.asking, granted=True))
    return walk.good()


def not_handed_in(walk: Walk) -> RelayedRequest:
    person = walk.signatory(walk.own.unused())
    bundle = person.consent(walk.own.bank, walk.names, created_at=walk.now - 60)
    walk.own.log.append([Logged(bundle.consent_entry)])
    return walk.under(bundle)


def not_logged(walk: Walk) -> RelayedRequest:
    person = walk.signatory(walk.own.unused())
    bundle = person.consent(walk.own.bank, walk.names, created_at=walk.now - 60)
    walk.scorer.evidence.consents.keep(bundle)
    return walk.under(bundle)


def to_another_bank(walk: Walk) -> RelayedRequest:
    enterprise = walk.own.enterprise(walk.own.unused())
    return walk.under(walk.ours.enterprises.consent(enterprise, walk.own.drawn.banks[1]))


def of_another_enterprise(walk: Walk) -> RelayedRequest:
    return walk.good(enterprise_id=walk.own.enterprise(walk.own.unused()))


def for_another_purpose(walk: Walk) -> RelayedRequest:
    return walk.good(purpose=Purpose.MONITORING)


def without_this_department(walk: Walk) -> RelayedRequest:
    others = [name for name in walk.names if name != walk.me]
    bundle = walk.signatory(walk.own.unused()).consent(walk.own.bank, others, created_at=walk.now - 60)
    return walk.under(walk.smuggled_in(bundle))


def beyond_the_rules(walk: Walk) -> RelayedRequest:
    person = walk.signatory(walk.own.unused())
    honest = person.consent(walk.own.bank, walk.names, created_at=walk.now - 60)
    consent = replace(honest.claimed(), maximum_uses=1000)
    return walk.under(walk.smuggled_in(person.sign(consent, honest.use_key)))


def revoked(walk: Walk) -> RelayedRequest:
    row = walk.own.unused()
    bundle = walk.given(row)
    change = walk.signatory(row).change(bundle.claimed(), What.REVOKE, at=walk.now)
    walk.own.log.append([Logged.of(EntryKind.CONSENT_CHANGE, change.encode())])
    return walk.under(bundle)


def beyond_its_uses(walk: Walk) -> RelayedRequest:
    return walk.under(walk.given(walk.own.unused(), Bounds(maximum_uses=1)), 1)


def with_another_set(walk: Walk) -> RelayedRequest:
    bundle = walk.given(walk.own.unused())
    walk.scorer.answer(walk.under(bundle))
    return walk.relayed(walk.ask(the_use(bundle, 1), offer=walk.own.offer(walk.names[0])), walk.me)


STEPS: dict[str, tuple[Callable[[Walk], RelayedRequest], type[YurongError], str]] = {
    "signed_by_the_pinned_bank": (of_another_signer, SignatureInvalid, "signature-invalid"),
    "not_expired": (lambda walk: walk.restated(expires_at=walk.now - 1), RequestExpired, "request-expired"),
    "under_the_bank_s_own_key": (
        lambda walk: walk.restated(key_fingerprint=b"f" * 32),
        KeyNotInForce,
        "key-not-in-force",
    ),
    "set_is_large_enough": (
        lambda walk: walk.restated(bits=0b11, serials=(1, 1)),
        ProtectionUnavailable,
        "too-few-departments",
    ),
    "documents_are_in_force": (lambda walk: walk.restated(serials=(1, 1, 1, 9)), KeyNotInForce, "key-not-in-force"),
    "box_is_the_signed_one": (lambda walk: replace(walk.good(), box=b"b" * 80), PeerError, "request-refused"),
    "question_is_readable": (with_a_question_of_nobody, PeerError, "malformed"),
    "log_goes_on_from_what_was_seen": (with_another_log, NotConsistent, "log-not-extended"),
    "witnesses_stand_for_it": (of_too_few, TooFewWitnesses, "too-few-witnesses"),
    "request_is_in_the_log": (elsewhere_in_the_log, NotIncluded, "not-in-log"),
    "clock_is_not_disputed": (under_a_disputed_clock, ClockDisputed, "clock-disputed"),
    "model_is_approved": (by_a_model_that_was_taken_back, ModelNotApproved, "model-not-approved"),
    "bank_is_permitted": (without_permission, NotPermitted, "not-permitted"),
    "consent_is_kept": (not_handed_in, ConsentUnusable, "consent-unknown"),
    "consent_is_in_the_log": (not_logged, ConsentUnusable, "consent-not-logged"),
    "consent_is_to_this_bank": (to_another_bank, ConsentUnusable, "consent-of-another-bank"),
    "consent_is_of_this_enterprise": (of_another_enterprise, ConsentUnusable, "consent-of-another-enterprise"),
    "consent_is_for_this_purpose": (for_another_purpose, ConsentUnusable, "consent-for-another-purpose"),
    "consent_names_this_department": (without_this_department, ConsentUnusable, "consent-without-department"),
    "consent_keeps_the_rules": (beyond_the_rules, ConsentUnusable, "consent-beyond-rules"),
    "consent_is_active": (revoked, ConsentUnusable, "consent-not-active"),
    "consent_has_this_use": (beyond_its_uses, ConsentUnusable, "consent-used-up"),
    "same_set_as_before": (with_another_set, AnsweredWithAnotherSet, "request-conflict"),
}


def test_the_walk_has_every_step_and_those_of_proofs_and_consents_have_each_a_problem_of_their_own() -> None:
    assert list(STEPS) == NAMES
    slugs = [STEPS[check.__name__][2] for check in OF_THE_RECORD]
    assert len(set(slugs)) == len(slugs)
    assert not set(slugs) & {slug for name, (_, _, slug) in STEPS.items() if name not in NAMES[-len(slugs) :]}


@contextmanager
def watched(patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The steps that are taken, in their order."""
    taken: list[str] = []

    def watch(check: Callable[[Any], None]) -> Callable[[Any], None]:
        def watched_check(asked: Any) -> None:
            if check.__name__ not in taken:
                taken.append(check.__name__)
            check(asked)

        return watched_check

    for name in ("OF_THE_REQUEST", "OF_THE_RECORD"):
        patch.setattr(scorer_module, name, tuple(map(watch, getattr(scorer_module, name))))
    first = "log_goes_on_from_what_was_seen"  # it is taken by itself, too
    patch.setattr(scorer_module, first, watch(getattr(scorer_module, first)))
    yield taken


def rows(walk: Walk) -> list[int]:
    """What requests leave behind."""
    with open_database(walk.own.home(walk.me)).reading() as connection:
        tables = (requests, data_uses, answered, mask_contexts)
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


@pytest.mark.parametrize("name", NAMES)
def test_a_request_that_fails_at_a_step_has_passed_all_before_it_and_leaves_nothing_behind(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, error, slug = STEPS[name]
    request = make(walk)
    before = rows(walk)
    with watched(monkeypatch) as taken, pytest.raises(error) as fault:
        walk.scorer.answer(request)
    assert problem_of(fault.value).slug == slug
    assert taken == NAMES[: NAMES.index(name) + 1]
    assert rows(walk) == before


def test_a_request_that_fails_nowhere_has_passed_every_step(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(walk)
    with watched(monkeypatch) as taken:
        walk.scorer.answer(walk.good())
    assert taken == NAMES
    assert rows(walk) == [count + 1 for count in before]
