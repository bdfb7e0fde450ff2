"""Attacks of a bureau that makes consents up, alters, back-dates or hides them: each works where one check is left out.

What must hold: nobody but the enterprise's passkey, bound by a registrar that the log permits, consents to anything; a
consent that was not in the log before the request allows nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.transparency_log.logged import Logged
from crypto.errors import PeerError, SignatureInvalid, UntrustedKey
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from models.consent.errors import BeyondFairUse
from models.hosting.https.problems import problem_of
from models.wire.consent import Consent, Purpose
from models.wire.consent_bundle import ConsentBundle
from models.wire.log_entry import EntryKind, use_key_digest
from models.wire.permission import Action, Permission, Subject, signing_with
from participants.department import scorer as scorer_module
from simulations.adversaries.consents import ANSWERED, AskingBench
from simulations.adversaries.log import DishonestRehearsal
from simulations.enterprise.signatory import Signatory
from simulations.enterprise.willing import the_use
from simulations.local_log import PAGES
from simulations.online import OnlineFederation


def leave_out(monkeypatch: pytest.MonkeyPatch, *checks: str) -> None:
    """Weaken all departments of this process."""
    for name in ("OF_THE_REQUEST", "OF_THE_RECORD"):
        kept = tuple(check for check in getattr(scorer_module, name) if check.__name__ not in checks)
        monkeypatch.setattr(scorer_module, name, kept)


@pytest.fixture
def bench(own: DishonestRehearsal, ours: OnlineFederation) -> AskingBench:
    return AskingBench(own, ours)


# A bureau that makes a consent up


def forged_by(bench: AskingBench, registrar: Identity, registrar_id: ParticipantId) -> ConsentBundle:
    """A consent in the name of the enterprise of row 0, signed with a passkey that the forger made."""
    person = Signatory.create(bench.own.enterprise(0), PAGES)
    person.binding(registrar, registrar_id, at=bench.now - 60)
    return person.consent(bench.own.bank, bench.names, created_at=bench.now - 60)


def test_a_consent_under_a_passkey_that_no_registrar_bound_is_kept_by_nobody(bench: AskingBench) -> None:
    bureau, honest = bench.own.log.home, bench.names[0]
    for registrar, name, error in (
        (bureau.identity(), bureau.participant_id, UntrustedKey),
        (bureau.identity(), honest, SignatureInvalid),
        (Identity.generate(), honest, SignatureInvalid),
        (bench.own.home(bench.own.bank).identity(), bench.own.bank, UntrustedKey),
        (Identity.generate(), ParticipantId("nobody"), UntrustedKey),
    ):
        bundle = forged_by(bench, registrar, name)
        with pytest.raises(error):
            bench.ours.enterprises.hand_in(bundle)
        assert bench.outcomes(bench.ask(the_use(bundle, 0))) == {"consent-unknown"}


def test_a_passkey_that_a_department_bound_without_permission_counts_only_where_registrars_are_not_looked_up(
    bench: AskingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = bench.names[1]
    bundle = forged_by(bench, bench.own.home(other).identity(), other)
    bench.own.log.append([Logged(bundle.binding_entry)])
    bench.ours.enterprises.hand_in(bundle)
    asked = bench.ask(the_use(bundle, 0))
    assert bench.outcomes(asked) == {"consent-invalid"}
    # That the bureau permits it afterwards, for all to see, does not reach back.
    subject = Subject(action=Action.REGISTER_PASSKEYS, grantor=bench.own.log.home.participant_id, grantee=other)
    bench.own.log.say(subject, granted=True)
    assert bench.outcomes(bench.ask(the_use(bundle, 0))) <= {"consent-invalid", "use-taken"}
    with monkeypatch.context() as patch:
        leave_out(patch, "consent_is_in_the_log")
        assert bench.sum_of_answers(asked) == bench.expected(0)


def test_an_altered_consent_is_kept_by_nobody(bench: AskingBench) -> None:
    bundle = bench.given(0)
    consent = bundle.claimed()
    for altered in (
        replace(consent, recipient=bench.own.drawn.banks[1]),
        replace(consent, enterprise_id=bench.own.enterprise(1)),
        replace(consent, purpose=Purpose.MONITORING, rule_id="monitoring@1"),
        replace(consent, expires_at=consent.expires_at + 1),
        replace(consent, maximum_uses=consent.maximum_uses - 1, uses_a_month=1),
        replace(consent, providers=consent.providers[:3]),
    ):
        forged = replace(bundle, consent=altered.encode())
        with pytest.raises(PeerError):
            bench.ours.enterprises.hand_in(forged)
        assert bench.outcome(bench.ask(the_use(forged, 0)), bench.names[0]) == "consent-unknown"


def test_a_consent_beyond_the_rules_is_kept_by_nobody_although_its_enterprise_signed_it(bench: AskingBench) -> None:
    person, consent = bench.signatory(0), bench.given(0).claimed()
    greedy: Consent = replace(consent, maximum_uses=1000, uses_a_month=1000)
    key = bench.given(0).use_key
    signed = person.sign(replace(greedy, use_key_sha256=use_key_digest(key)), key)
    with pytest.raises(BeyondFairUse):
        bench.ours.enterprises.hand_in(signed)


@pytest.mark.parametrize("late", ["consent", "passkey"])
def test_what_is_logged_behind_the_request_counts_only_where_places_are_not_compared(
    bench: AskingBench, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """A back-dated consent claims an earlier time; its place in the log cannot."""
    person = Signatory.create(bench.own.enterprise(0), PAGES)
    registrar = bench.names[0]
    binding = person.binding(bench.own.home(registrar).identity(), registrar, at=bench.now - 7 * 86_400)
    bundle = person.consent(bench.own.bank, bench.names, created_at=bench.now - 7 * 86_400)
    for store in (scorer.evidence.consents for scorer in bench.ours.scorers.values()):
        store.keep(bundle)
    passkey, consent = Logged(binding.entry()), Logged(bundle.consent_entry)
    bench.own.log.append([passkey if late == "consent" else consent])
    asked = bench.ask(the_use(bundle, 0))
    bench.own.log.place_now(asked.request.document, asked.statement.use_tag)
    bench.own.log.append([consent if late == "consent" else passkey])
    for scorer in bench.ours.scorers.values():
        scorer.evidence.view.take_in(bench.own.log.newest())
    assert bench.outcomes(asked) == {"consent-not-logged"}
    with monkeypatch.context() as patch:
        leave_out(patch, "consent_is_in_the_log")
        assert bench.sum_of_answers(asked) == bench.expected(0)


def test_a_consent_that_is_put_in_before_the_request_afterwards_is_a_fork(bench: AskingBench, tmp_path: Path) -> None:
    before = bench.own.log.branch(tmp_path / "before", bench.own.clock)
    bench.ours.score(bench.own.enterprise(1))
    for scorer in bench.ours.scorers.values():
        scorer.evidence.view.take_in(bench.own.log.newest())
    bundle = bench.given(0)
    before.append([Logged(bundle.binding_entry), Logged(bundle.consent_entry)])
    asked = bench.ask(the_use(bundle, 0))
    for name in bench.names:
        with pytest.raises(PeerError) as fault:
            bench.ours.scorers[name].answer(before.relayed(asked.request, name, bench.names))
        assert problem_of(fault.value).slug == "log-not-extended"
    before.close()


def test_a_consent_that_the_bureau_hides_gives_no_answer_and_each_way_has_its_problem(bench: AskingBench) -> None:
    person = bench.signatory(0)
    handed_over = person.consent(bench.own.bank, bench.names, created_at=bench.now - 60)
    logged = person.consent(bench.own.bank, bench.names, created_at=bench.now - 60)
    for scorer in bench.ours.scorers.values():
        scorer.evidence.consents.keep(handed_over)
    bench.own.log.append([Logged(logged.consent_entry)])
    assert bench.outcomes(bench.ask(the_use(handed_over, 0))) == {"consent-not-logged"}
    assert bench.outcomes(bench.ask(the_use(logged, 0))) == {"consent-unknown"}


# A passkey that was lost


def test_a_passkey_that_its_registrar_withdraws_consents_to_nothing_more_and_another_s_word_changes_nothing(
    bench: AskingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = bench.given(0)
    registrar, other = bench.names[:2]
    tag = bundle.binding.claimed().tag

    def say(name: ParticipantId, grantor: ParticipantId) -> None:
        word = Permission(subject=signing_with(tag, grantor), granted=False, at=bench.now)
        bench.own.log.append([Logged.of(EntryKind.PERMISSION, word.sign(bench.own.home(name).identity()))])

    for name, grantor in ((other, other), (other, registrar), (bench.own.bank, registrar)):
        say(name, grantor)
    assert bench.outcomes(bench.ask(the_use(bundle, 0))) == {ANSWERED}
    say(registrar, registrar)
    asked = bench.ask(the_use(bundle, 1))
    assert bench.outcomes(asked) == {"consent-invalid"}
    with monkeypatch.context() as patch:
        leave_out(patch, "consent_is_in_the_log")
        assert bench.sum_of_answers(asked) == bench.expected(0)
