"""A department's scorer: it answers what it should, and each check refuses what it is for."""

import secrets
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from crypto.errors import (
    MalformedMessage,
    MaskContextReused,
    PeerError,
    ProtectionUnavailable,
    ProtocolStateError,
    SignatureInvalid,
    UntrustedKey,
    YurongError,
)
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId
from crypto.identity import Identity
from crypto.paillier import Obfuscator, PaillierPublicKey
from models.enterprise_id import make_enterprise_id
from models.hosting.errors import DatabaseUnusable
from models.wire.consent import Purpose
from models.wire.online import RelayedRequest
from models.wire.score_statement import MAXIMUM_LIFETIME_SECONDS
from participants.bank.consents import ConsentUse
from participants.bank.score_request import LIFETIME_SECONDS
from participants.department import scorer as scorer_module
from participants.department.errors import ObfuscatorsExhausted, RequestExpired
from participants.department.obfuscation import Obfuscators
from participants.department.request_record import KEPT_SECONDS, RequestRecord
from participants.department.scorer import CHECKS, Scorer, Waiting
from simulations.adversaries.online import (
    forged_requests,
    opened,
    restated,
    signed,
    with_a_later_expiry,
    with_another_enterprise,
)
from simulations.local_log import EVIDENCE
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal


@pytest.fixture
def department(rehearsal: OnlineRehearsal) -> ParticipantId:
    return rehearsal.drawn.departments[1]


@pytest.fixture
def scorer(online: OnlineFederation, department: ParticipantId) -> Scorer:
    return online.scorers[department]


@pytest.fixture
def request_for(rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId) -> RelayedRequest:
    """A good request to the department about an enterprise that nobody has asked about."""
    enterprise = rehearsal.enterprise(rehearsal.unused())
    return rehearsal.relayed(online.ask(enterprise, rehearsal.offer()).request, department)


def test_masked_partials_of_all_departments_sum_to_the_sum_of_partials(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    row = rehearsal.unused()
    request = online.ask(rehearsal.enterprise(row), rehearsal.offer()).request
    words = [
        opened(online.scorers[name].answer(rehearsal.relayed(request, name)), rehearsal.key)
        for name in rehearsal.drawn.departments
    ]
    assert signed(sum(words)) == rehearsal.drawn.partials[:, row].sum()
    assert not set(words) & set(rehearsal.drawn.partials[:, row].view("uint64").tolist())


def test_an_enterprise_that_a_department_does_not_hold_is_answered_like_any_other(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    stranger = make_enterprise_id(np.random.default_rng(99))
    request = online.ask(stranger, rehearsal.offer()).request
    words = [
        opened(online.scorers[name].answer(rehearsal.relayed(request, name)), rehearsal.key)
        for name in rehearsal.drawn.departments
    ]
    assert signed(sum(words)) == rehearsal.drawn.absent.sum()


def test_the_checks_are_one_list_and_what_is_written_down_comes_last() -> None:
    assert [check.__name__ for check in CHECKS] == [
        "signed_by_the_pinned_bank",
        "not_expired",
        "under_the_bank_s_own_key",
        "set_is_large_enough",
        "documents_are_in_force",
        "box_is_the_signed_one",
        "question_is_readable",
        "log_goes_on_from_what_was_seen",
        "witnesses_stand_for_it",
        "request_is_in_the_log",
        "clock_is_not_disputed",
        "model_is_approved",
        "bank_is_permitted",
        "consent_is_kept",
        "consent_is_in_the_log",
        "consent_is_to_this_bank",
        "consent_is_of_this_enterprise",
        "consent_is_for_this_purpose",
        "consent_names_this_department",
        "consent_keeps_the_rules",
        "consent_is_active",
        "consent_has_this_use",
        "same_set_as_before",
    ]


def test_any_bytes_are_refused_with_our_error(scorer: Scorer) -> None:
    for data in (b"", b"\x00" * 100, b"{}", b"\x85"):
        with pytest.raises(MalformedMessage):
            scorer.handle(data)


def test_a_model_that_is_not_here_is_refused(
    rehearsal: OnlineRehearsal, scorer: Scorer, request_for: RelayedRequest
) -> None:
    document = restated(
        request_for.document, rehearsal.home(rehearsal.bank).identity(), model_version=ModelVersion("0" * 32)
    )
    with pytest.raises(PeerError):
        scorer.answer(replace(request_for, document=document))


def test_a_document_that_somebody_else_signed_is_refused(
    rehearsal: OnlineRehearsal, scorer: Scorer, request_for: RelayedRequest
) -> None:
    identity = rehearsal.home(rehearsal.bank).identity()
    with pytest.raises(SignatureInvalid):
        scorer.answer(
            replace(request_for, document=restated(request_for.document, identity, bank=rehearsal.drawn.banks[1]))
        )
    for nobody in ("bank-09", rehearsal.drawn.departments[0], "bureau"):
        with pytest.raises(UntrustedKey):
            scorer.answer(replace(request_for, document=restated(request_for.document, identity, bank=nobody)))


def test_one_bank_cannot_ask_as_another(rehearsal: OnlineRehearsal, scorer: Scorer, department: ParticipantId) -> None:
    one, other = rehearsal.drawn.banks
    enterprise = rehearsal.enterprise(rehearsal.unused())
    asked = {name: (rehearsal.home(name).identity().public, enterprise) for name in rehearsal.drawn.departments}
    requests = forged_requests(
        rehearsal.home(other).identity(),
        rehearsal.keys[other],
        one,
        rehearsal.drawn.version,
        asked,
        of=rehearsal.drawn.departments,
        expires_at=int(rehearsal.clock.now()) + 30,
        log=rehearsal.log,
        consents=rehearsal.consents(),
    )
    with pytest.raises(SignatureInvalid):
        scorer.answer(requests[department])


def test_a_bank_that_is_no_longer_pinned_gets_no_answer_from_that_moment(
    rehearsal: OnlineRehearsal, scorer: Scorer, department: ParticipantId, request_for: RelayedRequest
) -> None:
    pins, bank = rehearsal.home(department).pins, rehearsal.home(rehearsal.bank)
    pins.unpin(rehearsal.bank)
    with pytest.raises(UntrustedKey):
        scorer.answer(request_for)
    pins.pin_fingerprints({rehearsal.bank: Identity.generate().public.fingerprint()})
    with pytest.raises(UntrustedKey):
        scorer.answer(request_for)
    pins.pin(bank.document(), fingerprint=bank.identity().public.fingerprint())
    scorer.answer(request_for)


def test_a_bank_that_is_unpinned_while_its_request_waits_for_an_obfuscator_gets_no_answer(
    rehearsal: OnlineRehearsal, scorer: Scorer, department: ParticipantId, request_for: RelayedRequest
) -> None:
    pins, bank = rehearsal.home(department).pins, rehearsal.home(rehearsal.bank)
    waiting = scorer.begin(request_for)
    assert isinstance(waiting, Waiting)
    pins.unpin(rehearsal.bank)
    with pytest.raises(UntrustedKey):
        scorer.conclude(waiting, scorer.obfuscator(waiting))
    pins.pin(bank.document(), fingerprint=bank.identity().public.fingerprint())
    assert scorer.conclude(waiting, scorer.obfuscator(waiting)) == scorer.handle(request_for.encode())


@pytest.fixture
def later(rehearsal: OnlineRehearsal) -> Iterator[None]:
    before = rehearsal.clock.seconds
    yield
    rehearsal.clock.seconds = before


@pytest.mark.usefixtures("later")
def test_an_expired_request_is_refused_and_so_is_one_that_is_valid_for_too_long(
    rehearsal: OnlineRehearsal, scorer: Scorer, request_for: RelayedRequest
) -> None:
    now = rehearsal.clock.seconds
    for moment in (now + 60, now + 10**6, now - MAXIMUM_LIFETIME_SECONDS):
        rehearsal.clock.seconds = moment
        with pytest.raises(PeerError, match=r"expired|too long"):
            scorer.answer(request_for)
    rehearsal.clock.seconds = now + 59
    scorer.answer(request_for)


def test_an_altered_document_is_refused(
    rehearsal: OnlineRehearsal, online: OnlineFederation, scorer: Scorer, department: ParticipantId
) -> None:
    request = online.ask(rehearsal.enterprise(rehearsal.unused()), rehearsal.offer()).request
    with pytest.raises(SignatureInvalid):
        scorer.answer(rehearsal.relayed(with_a_later_expiry(request, 100), department))
    body = bytearray(request.document)
    for place in range(0, len(body), 7):
        flipped = bytes(body[:place]) + bytes([body[place] ^ 1]) + bytes(body[place + 1 :])
        with pytest.raises(PeerError):
            scorer.answer(replace(rehearsal.relayed(request, department), document=flipped))


def test_another_key_than_the_documents_is_refused(
    rehearsal: OnlineRehearsal, scorer: Scorer, department: ParticipantId
) -> None:
    bank, other = rehearsal.drawn.banks
    enterprise = rehearsal.enterprise(rehearsal.unused())
    asked = {name: (rehearsal.home(name).identity().public, enterprise) for name in rehearsal.drawn.departments}
    requests = forged_requests(
        rehearsal.home(bank).identity(),
        rehearsal.keys[other],
        bank,
        rehearsal.drawn.version,
        asked,
        of=rehearsal.drawn.departments,
        expires_at=int(rehearsal.clock.now()) + 30,
        log=rehearsal.log,
        consents=rehearsal.consents(),
    )
    with pytest.raises(UntrustedKey, match="another key"):
        scorer.answer(requests[department])


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ((0, 1), ProtectionUnavailable),
        ((1,), ProtectionUnavailable),
        ((0, 2, 3), PeerError),
    ],
)
def test_a_set_that_is_too_small_or_without_this_department_is_refused(
    rehearsal: OnlineRehearsal,
    scorer: Scorer,
    members: tuple[int, ...],
    error: type[YurongError],
    request_for: RelayedRequest,
) -> None:
    enterprise = rehearsal.enterprise(rehearsal.unused())
    names = [rehearsal.drawn.departments[index] for index in members]
    asked = {name: (rehearsal.home(name).identity().public, enterprise) for name in names}
    requests = forged_requests(
        rehearsal.home(rehearsal.bank).identity(),
        rehearsal.key,
        rehearsal.bank,
        rehearsal.drawn.version,
        asked,
        of=rehearsal.drawn.departments,
        expires_at=int(rehearsal.clock.now()) + 30,
        log=rehearsal.log,
        consents=rehearsal.consents(),
    )
    one = next(iter(requests.values()))
    with pytest.raises(error):
        scorer.answer(replace(one, box=request_for.box))


def test_a_strangers_department_in_the_set_is_refused(
    rehearsal: OnlineRehearsal, scorer: Scorer, department: ParticipantId
) -> None:
    enterprise = rehearsal.enterprise(rehearsal.unused())
    names = [*rehearsal.drawn.departments, ParticipantId("sockpuppet")]
    asked = {name: (Identity.generate().public, enterprise) for name in names}
    requests = forged_requests(
        rehearsal.home(rehearsal.bank).identity(),
        rehearsal.key,
        rehearsal.bank,
        rehearsal.drawn.version,
        asked,
        of=names,
        expires_at=int(rehearsal.clock.now()) + 30,
        log=rehearsal.log,
        consents=rehearsal.consents(),
    )
    with pytest.raises(PeerError):
        scorer.answer(requests[department])


def another_use(rehearsal: OnlineRehearsal) -> ConsentUse:
    """A use of a consent of an enterprise that is not asked about."""
    request_id, now = RequestId(secrets.token_hex(16)), rehearsal.clock.now()
    return rehearsal.consents().use(rehearsal.enterprise(0), Purpose.APPLICATION, request_id, now=now)


def test_a_box_of_another_department_request_or_maker_is_refused(
    rehearsal: OnlineRehearsal, online: OnlineFederation, scorer: Scorer, department: ParticipantId
) -> None:
    enterprise = rehearsal.enterprise(rehearsal.unused())
    first = online.ask(enterprise, rehearsal.offer()).request
    second = online.ask(enterprise, rehearsal.offer()).request
    mine = rehearsal.relayed(first, department)
    other_department = rehearsal.relayed(first, rehearsal.drawn.departments[0])
    identity = rehearsal.home(department).identity().public
    for box in (
        other_department.box,
        rehearsal.relayed(second, department).box,
        with_another_enterprise(mine, department, identity, another_use(rehearsal)).box,
        b"",
    ):
        with pytest.raises(PeerError, match="another box"):
            scorer.answer(replace(mine, box=box))
    for path in (other_department.path, mine.path[32:] + mine.path[:32]):
        with pytest.raises(PeerError, match="another box"):
            scorer.answer(replace(mine, path=path))
    for path in (b"", mine.path[32:], mine.path + bytes(32), mine.path[:-1]):
        with pytest.raises(PeerError, match="another length"):
            scorer.answer(replace(mine, path=path))
    with pytest.raises(PeerError, match="another box"):
        scorer.answer(other_department)
    scorer.answer(mine)


def test_a_box_that_holds_no_enterprise_id_is_refused(
    rehearsal: OnlineRehearsal, scorer: Scorer, department: ParticipantId
) -> None:
    for text in ("", "nobody", "911100000000000000", "\N{CJK UNIFIED IDEOGRAPH-6E1D}"):
        asked = {
            name: (rehearsal.home(name).identity().public, EnterpriseId(text)) for name in rehearsal.drawn.departments
        }
        requests = forged_requests(
            rehearsal.home(rehearsal.bank).identity(),
            rehearsal.key,
            rehearsal.bank,
            rehearsal.drawn.version,
            asked,
            of=rehearsal.drawn.departments,
            expires_at=int(rehearsal.clock.now()) + 30,
            log=rehearsal.log,
            consents=rehearsal.consents(),
        )
        with pytest.raises(YurongError) as refusal:
            scorer.answer(requests[department])
        assert not text or text not in str(refusal.value)


def fail(_: object) -> int:
    raise ProtocolStateError("stop here")


def test_a_request_that_comes_again_gets_the_same_bytes_also_after_a_restart_and_nothing_is_computed(
    monkeypatch: pytest.MonkeyPatch,
    rehearsal: OnlineRehearsal,
    scorer: Scorer,
    department: ParticipantId,
    request_for: RelayedRequest,
) -> None:
    first = scorer.handle(request_for.encode())
    monkeypatch.setattr(scorer_module, "masked_partial", fail)
    monkeypatch.setattr(Obfuscators, "take", fail)
    assert scorer.handle(request_for.encode()) == first
    assert scorer.handle(replace(request_for, box=b"", path=b"").encode()) == first
    monkeypatch.undo()
    monkeypatch.setattr(scorer_module, "masked_partial", fail)
    with rehearsal.scorer(department) as restarted:
        assert restarted.handle(request_for.encode()) == first


@pytest.mark.usefixtures("later")
def test_an_answer_is_given_again_for_some_time_after_the_request_expired_and_then_it_is_refused(
    rehearsal: OnlineRehearsal,
    online: OnlineFederation,
    scorer: Scorer,
    department: ParticipantId,
    request_for: RelayedRequest,
) -> None:
    first = scorer.handle(request_for.encode())
    rehearsal.clock.seconds += LIFETIME_SECONDS + KEPT_SECONDS
    assert scorer.handle(request_for.encode()) == first
    rehearsal.clock.seconds += 2
    another = online.ask(rehearsal.enterprise(rehearsal.unused()), rehearsal.offer()).request
    scorer.answer(rehearsal.relayed(another, department))  # with a later one what is due is forgotten
    with pytest.raises(RequestExpired):
        scorer.answer(request_for)


def test_the_same_request_twice_at_the_same_time_is_answered_once(scorer: Scorer, request_for: RelayedRequest) -> None:
    waiting = [scorer.begin(request_for) for _ in range(2)]
    assert not any(isinstance(one, bytes) for one in waiting)
    answers = {scorer.conclude(one, scorer.obfuscator(one)) for one in waiting if isinstance(one, Waiting)}
    assert len(answers) == 1


def test_many_threads_may_ask_at_once(
    rehearsal: OnlineRehearsal, online: OnlineFederation, scorer: Scorer, department: ParticipantId
) -> None:
    enterprise, offer = rehearsal.enterprise(rehearsal.unused()), rehearsal.offer()
    requests = [rehearsal.relayed(online.ask(enterprise, offer).request, department).encode() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(scorer.handle, requests * 4))
    assert answers == answers[:4] * 4
    assert len(set(answers)) == 4


def test_a_request_that_is_refused_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, scorer: Scorer, request_for: RelayedRequest
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(scorer_module, "masked_partial", fail)
        with pytest.raises(ProtocolStateError):
            scorer.answer(request_for)
    scorer.answer(request_for)


def test_masks_are_claimed_even_if_nobody_remembers_the_request(
    monkeypatch: pytest.MonkeyPatch,
    rehearsal: OnlineRehearsal,
    scorer: Scorer,
    department: ParticipantId,
    request_for: RelayedRequest,
) -> None:
    scorer.answer(request_for)
    monkeypatch.setattr(RequestRecord, "claim_request", lambda *_, now: None)  # noqa: ARG005
    with rehearsal.scorer(department) as forgetful, pytest.raises(MaskContextReused):
        forgetful.answer(request_for)


def test_an_enterprise_is_answered_with_one_set_only_and_each_bank_has_its_own(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    enterprise, last = rehearsal.enterprise(rehearsal.unused()), rehearsal.drawn.departments[-1]
    online.score(enterprise)
    online.down.add(last)
    with pytest.raises(PeerError, match="another set"):
        online.score(enterprise)
    with rehearsal.online(bank=rehearsal.drawn.banks[1]) as other:
        other.down.add(last)
        assert other.score(enterprise).missing == (last,)
    online.down.clear()
    online.score(enterprise)


def test_a_bank_has_no_scorer(rehearsal: OnlineRehearsal) -> None:
    with pytest.raises(ProtocolStateError):
        rehearsal.scorer(rehearsal.bank)


def test_a_full_disk_ends_in_no_answer(
    monkeypatch: pytest.MonkeyPatch, scorer: Scorer, request_for: RelayedRequest
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(RequestRecord, "keep_answer", full)
        with pytest.raises(DatabaseUnusable):
            scorer.answer(request_for)
    scorer.answer(request_for)


def test_a_dry_pool_slows_a_bank_down_and_no_other(
    rehearsal: OnlineRehearsal, online: OnlineFederation, department: ParticipantId
) -> None:
    dry = {rehearsal.key.public}

    class DryPool:
        def __init__(self, key: PaillierPublicKey) -> None:
            self.key, self.waited = key, 0.0

        def __len__(self) -> int:
            return 0 if self.key in dry else len(rehearsal.pool(self.key))

        def take(self, *, timeout_seconds: float) -> Obfuscator:
            if self.key not in dry:
                return rehearsal.pool(self.key).take()
            self.waited = timeout_seconds
            dry.clear()
            raise ProtectionUnavailable("no obfuscator is ready")

        def stop(self) -> None:
            pass

    def asked_by(federation: OnlineFederation) -> RelayedRequest:
        enterprise = rehearsal.enterprise(rehearsal.unused())
        return rehearsal.relayed(federation.ask(enterprise, rehearsal.offer()).request, department)

    with (
        rehearsal.online(bank=rehearsal.drawn.banks[1]) as other,
        Scorer(rehearsal.home(department), clock=rehearsal.clock, evidence=EVIDENCE, new_pool=DryPool) as scorer,
    ):
        waiting = scorer.begin(asked_by(online))
        assert isinstance(waiting, Waiting)
        scorer.answer(asked_by(other))
        with pytest.raises(ObfuscatorsExhausted):
            scorer.obfuscator(waiting)
        pool = scorer.obfuscators._pools[rehearsal.key.public]
        assert isinstance(pool, DryPool)
        # As long as the request is still valid: some of its time is over.
        assert LIFETIME_SECONDS / 2 < pool.waited <= LIFETIME_SECONDS
        scorer.conclude(waiting, scorer.obfuscator(waiting))  # nothing was claimed by the first try
