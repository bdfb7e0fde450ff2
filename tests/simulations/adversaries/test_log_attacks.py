"""Attacks of a bureau on its log: each works against weakened departments, and not against ours.

What must hold: departments that were shown two logs answer noise; whoever sees a state of the other log keeps both
notes and answers nothing until its operator has settled that; a log that was rolled back is refused; no document that
restricts can be logged and kept back; the last word in the log counts, whatever time it claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.transparency_log.logged import Logged
from crypto.errors import MalformedMessage, PeerError, SignatureInvalid
from crypto.identifiers import ParticipantId, RequestId
from crypto.transparency.errors import LogForked, NotConsistent
from crypto.transparency.note import KeyUse, Note, NoteKey, NoteSignature
from crypto.transparency.receipt import Receipt
from models.consent import states
from models.hosting.https.problems import problem_of
from models.log.names import witness_name
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import What
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.online import RelayedRequest, ScoreAnswer
from models.wire.permission import Action, Permission, Subject
from models.wire.signed_change import SignedChange
from participants.bank.receipts import check_receipt
from participants.bank.score_request import OpenRequest
from participants.department import score_answer
from participants.department import scorer as scorer_module
from participants.department.database import open_database
from participants.department.errors import ConsentUnusable, LogStopped, NotPermitted
from participants.department.log import view as view_module
from participants.department.log.alarms import Alarm, AlarmKind, alarms, settle
from participants.department.log.view import LogView
from simulations.adversaries.log import (
    DishonestLog,
    DishonestRehearsal,
    after_whatever_came_last,
    believes_whatever_the_log_signs,
    context_without_the_log,
    reads_what_documents_there_are,
    with_another_entry,
    without_documents,
)
from simulations.adversaries.online import opened, signed
from simulations.enterprise.willing import the_use
from simulations.online import OnlineFederation

NOISE = 1 << 35
"""One chance in 2^29 that a uniform word is smaller."""

JUNK = Logged(LogEntry(kind=EntryKind.ANSWER, digest=b"j" * 32))


def leave_out(monkeypatch: pytest.MonkeyPatch, *checks: str) -> None:
    """Weaken all departments of this process."""
    for name in ("OF_THE_REQUEST", "OF_THE_RECORD"):
        kept = tuple(check for check in getattr(scorer_module, name) if check.__name__ not in checks)
        monkeypatch.setattr(scorer_module, name, kept)


def asked_about(own: DishonestRehearsal, ours: OnlineFederation, row: int) -> OpenRequest:
    return ours.ask(own.enterprise(row), own.offer())


def relayed(own: DishonestRehearsal, asked: OpenRequest, log: DishonestLog, name: ParticipantId) -> RelayedRequest:
    return log.relayed(asked.request, name, own.drawn.departments)


def refusal(ours: OnlineFederation, name: ParticipantId, request: RelayedRequest) -> str:
    """The problem with which a department refuses."""
    with pytest.raises(PeerError) as fault:
        ours.scorers[name].answer(request)
    return problem_of(fault.value).slug


def sum_of_answers(
    own: DishonestRehearsal, ours: OnlineFederation, requests: Mapping[ParticipantId, RelayedRequest]
) -> int:
    return signed(sum(opened(ours.scorers[name].answer(one), own.key) for name, one in requests.items()))


def alarms_of(own: DishonestRehearsal, name: ParticipantId) -> list[Alarm]:
    with open_database(own.home(name)).reading() as connection:
        return alarms(connection)


# Two logs


@pytest.fixture
def second(own: DishonestRehearsal, ours: OnlineFederation, tmp_path: Path) -> DishonestLog:
    """A log that has something else from here on. Some consents are in both."""
    for row in range(3):
        ours.consents.hold(ours.enterprises.consent(own.enterprise(row), own.bank))
    other = own.log.branch(tmp_path / "second", own.clock)
    other.force(JUNK)
    return other


def of_two_logs(
    own: DishonestRehearsal, asked: OpenRequest, second: DishonestLog
) -> dict[ParticipantId, RelayedRequest]:
    """What departments are sent: half of them with one log, half with the other."""
    logs = dict(zip(own.drawn.departments, (own.log, own.log, second, second), strict=True))
    return {name: relayed(own, asked, log, name) for name, log in logs.items()}


def test_answers_under_two_logs_sum_to_a_score_only_where_masks_are_not_bound_to_the_log(
    own: DishonestRehearsal, ours: OnlineFederation, second: DishonestLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(score_answer, "_context", context_without_the_log)
        weakly = of_two_logs(own, asked_about(own, ours, 0), second)
        assert sum_of_answers(own, ours, weakly) == own.drawn.partials[:, 0].sum()

    asked = asked_about(own, ours, 1)
    requests = of_two_logs(own, asked, second)
    assert abs(sum_of_answers(own, ours, requests)) > NOISE
    key = own.key.public
    product = key.add(
        key.decode_ciphertext(ours.scorers[name].answer(one).ciphertext) for name, one in requests.items()
    )
    answer = ScoreAnswer(
        request=asked.digest, ciphertext=product.to_bytes(key.ciphertext_bytes, "big"), receipt=b"", reasons=()
    )
    with pytest.raises(PeerError, match="masks of a score did not cancel"):
        ours.client.open(asked, answer)


def test_whoever_sees_a_state_of_the_other_log_keeps_both_notes_and_answers_nothing_until_that_is_settled(
    own: DishonestRehearsal, ours: OnlineFederation, second: DishonestLog
) -> None:
    first_shown, *_, second_shown = own.drawn.departments
    for name, one in of_two_logs(own, asked_about(own, ours, 0), second).items():
        ours.scorers[name].answer(one)
    own.log.force(JUNK, JUNK)
    good = relayed(own, asked_about(own, ours, 1), own.log, first_shown)
    ours.scorers[first_shown].answer(good)
    seen, shown = own.log.head.encode(), second.head.encode()

    view = ours.scorers[first_shown].evidence.view
    with pytest.raises(LogForked):
        view.take_in(second.newest())
    (alarm,) = alarms_of(own, first_shown)
    assert (alarm.kind, alarm.seen, alarm.shown, alarm.settled_at) == (AlarmKind.FORKED, seen, shown, None)
    # Honest states of the log it knows are refused too, and it says that it is not ready.
    later = asked_about(own, ours, 2)
    assert refusal(ours, first_shown, relayed(own, later, own.log, first_shown)) == "log-stopped"
    with pytest.raises(LogStopped):
        view.take_in(own.log.newest())
    with pytest.raises(LogStopped):
        ours.scorers[first_shown].ready(own.drawn.version)

    # What was answered is given again; a new process knows of the alarm; settled, it goes on with the log it knows.
    ours.scorers[first_shown].answer(good)
    with own.scorer(first_shown) as restarted, pytest.raises(LogStopped):
        restarted.answer(relayed(own, later, own.log, first_shown))
    with open_database(own.home(first_shown)).begin() as connection:
        assert settle(connection, alarm.alarm_id, now=int(own.clock.now()))
    ours.scorers[first_shown].answer(relayed(own, later, own.log, first_shown))

    # The other half is shown a longer log than it knows: that is no extension, and nothing of it is taken in.
    assert refusal(ours, second_shown, relayed(own, later, own.log, second_shown)) == "log-not-extended"
    assert [one.kind for one in alarms_of(own, second_shown)] == [AlarmKind.NOT_EXTENDED]


def test_a_receipt_of_one_log_is_not_taken_with_the_witnesses_of_the_other(
    own: DishonestRehearsal, ours: OnlineFederation, second: DishonestLog
) -> None:
    asked = asked_about(own, ours, 0)
    requests = of_two_logs(own, asked, second)
    lines = []
    for name, one in requests.items():
        key = NoteKey(witness_name(name), KeyUse.COSIGNATURE, own.home(name).identity().public.signing_key)
        lines.append(NoteSignature(key.name, key.key_id, ours.scorers[name].answer(one).cosignature))
    bank, entry = own.home(own.bank), asked.statement.entry(asked.request.document).encode()
    for log, mine in ((own.log, lines[:2]), (second, lines[2:])):
        receipt = Receipt.decode(log.receipt_now(asked.digest))
        honest = replace(receipt, note=receipt.note.with_signatures(mine))
        assert check_receipt(honest.encode(), entry, bank) == 0  # two of four are no majority
        for added in (lines[:3], lines[1:]):
            borrowed = replace(receipt, note=receipt.note.with_signatures(added))
            with pytest.raises(SignatureInvalid):
                check_receipt(borrowed.encode(), entry, bank)


def test_a_state_that_fewer_than_a_quorum_stand_for_is_answered_by_none_of_them(
    own: DishonestRehearsal, ours: OnlineFederation
) -> None:
    """Three of four are a quorum, two are not: there is no second log that as many stand for."""
    asked = asked_about(own, ours, 0)
    for name in own.drawn.departments:
        request, view = relayed(own, asked, own.log, name), ours.scorers[name].evidence.view
        note = Note.decode(request.extension.checkpoint)
        view.require_stood_for(note, own.drawn.departments[:3])
        with pytest.raises(PeerError) as fault:
            view.require_stood_for(note, own.drawn.departments[:2])
        assert problem_of(fault.value).slug == "too-few-witnesses"


# A log that was rolled back


def test_a_log_that_was_rolled_back_gives_a_use_again_only_where_nothing_is_remembered_of_the_log(
    own: DishonestRehearsal, ours: OnlineFederation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = ours.enterprises.consent(own.enterprise(0), own.bank)
    backup = own.log.branch(tmp_path / "backup", own.clock)
    backup.close()
    use, names = the_use(bundle, 0), own.drawn.departments
    first, again, third = (ours.client.request(use, own.offer(), RequestId(f"0{place}" * 16)) for place in (1, 2, 3))
    for name in names:
        ours.scorers[name].answer(relayed(own, first, own.log, name))
    restored = DishonestLog.of(tmp_path / "backup", clock=own.clock)
    weakly = {name: relayed(own, again, restored, name) for name in names}
    assert {one.index for one in weakly.values()} == {own.log.size - 1}  # in the place of the first
    own.log.force(JUNK)
    for scorer in ours.scorers.values():
        scorer.evidence.view.take_in(own.log.newest())
    with monkeypatch.context() as patch:
        patch.setattr(LogView, "see", believes_whatever_the_log_signs)
        leave_out(patch, "consent_has_this_use")
        assert sum_of_answers(own, ours, weakly) == own.drawn.partials[:, 0].sum()

    for name in names:
        request = relayed(own, third, restored, name)
        assert refusal(ours, name, request) == "log-not-extended"
        (alarm,) = alarms_of(own, name)
        assert (alarm.kind, alarm.shown) == (AlarmKind.FORKED, request.extension.checkpoint)
        assert refusal(ours, name, request) == "log-stopped"
    restored.close()


def test_a_log_that_was_rolled_back_and_has_grown_beyond_what_was_seen_is_refused_with_an_alarm(
    own: DishonestRehearsal, ours: OnlineFederation, tmp_path: Path
) -> None:
    backup = own.log.branch(tmp_path / "backup", own.clock)
    own.log.force(JUNK)
    views = {name: scorer.evidence.view for name, scorer in ours.scorers.items()}
    for view in views.values():
        view.take_in(own.log.newest())
    backup.force(*[replace(JUNK, entry=LogEntry(kind=EntryKind.ANSWER, digest=bytes(32)))] * 5)
    for name, view in views.items():
        with pytest.raises(NotConsistent) as fault:
            view.take_in(backup.newest())
        assert problem_of(fault.value).slug == "log-not-extended"
        (alarm,) = alarms_of(own, name)
        assert (alarm.kind, alarm.shown) == (AlarmKind.NOT_EXTENDED, backup.head.encode())
        # Nothing of it was taken in: the true log goes on.
        view.take_in(own.log.newest())


# What restricts, and is kept back


@pytest.fixture
def bundle(own: DishonestRehearsal, ours: OnlineFederation) -> ConsentBundle:
    given = ours.enterprises.consent(own.enterprise(0), own.bank)
    ours.consents.hold(given)
    return given


def change(own: DishonestRehearsal, ours: OnlineFederation, bundle: ConsentBundle, what: What, at: int = 0) -> Logged:
    consent = bundle.claimed()
    signed_change = ours.enterprises.signatory(consent.enterprise_id).change(
        consent, what, at=int(own.clock.now()) - 30 + at
    )
    return Logged.of(EntryKind.CONSENT_CHANGE, signed_change.encode())


def test_a_revocation_that_is_dropped_is_heeded_by_a_department_that_is_handed_it(
    own: DishonestRehearsal, ours: OnlineFederation, bundle: ConsentBundle
) -> None:
    revoked = change(own, ours, bundle, What.REVOKE)
    name, *others = own.drawn.departments
    handed, asked = SignedChange.decode(revoked.document or b""), asked_about(own, ours, 0)
    # The bureau logs nothing: departments cannot know, but there is no receipt for the enterprise either.
    assert own.log.entries(EntryKind.CONSENT_CHANGE) == []
    ours.scorers[others[0]].answer(relayed(own, asked, own.log, others[0]))
    ours.scorers[name].evidence.consents.hand_in(handed)
    assert refusal(ours, name, relayed(own, asked, own.log, name)) == "consent-not-active"
    with own.scorer(name) as restarted, pytest.raises(ConsentUnusable):
        restarted.answer(relayed(own, asked, own.log, name))


def test_a_revocation_whose_document_is_kept_back_is_ignored_only_where_documents_may_be_missing(
    own: DishonestRehearsal, ours: OnlineFederation, bundle: ConsentBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, other = own.drawn.departments[:2]
    own.log.append([change(own, ours, bundle, What.REVOKE)])
    asked = asked_about(own, ours, 0)
    requests = {
        one: replace(request, extension=without_documents(request.extension, EntryKind.CONSENT_CHANGE))
        for one in (name, other)
        for request in [relayed(own, asked, own.log, one)]
    }
    with monkeypatch.context() as patch:
        patch.setattr(view_module, "read_entries", reads_what_documents_there_are)
        ours.scorers[other].answer(requests[other])
    with pytest.raises(MalformedMessage, match="without its document"):
        ours.scorers[name].answer(requests[name])
    assert refusal(ours, name, relayed(own, asked, own.log, name)) == "consent-not-active"


def test_a_revocation_that_is_cut_out_of_what_one_department_is_shown_is_missed_there_with_an_alarm(
    own: DishonestRehearsal, ours: OnlineFederation, bundle: ConsentBundle
) -> None:
    name = own.drawn.departments[0]
    own.log.append([change(own, ours, bundle, What.REVOKE)])
    request = relayed(own, asked_about(own, ours, 0), own.log, name)
    shown = with_another_entry(request.extension, EntryKind.CONSENT_CHANGE)
    assert refusal(ours, name, replace(request, extension=shown)) == "log-not-extended"
    (alarm,) = alarms_of(own, name)
    assert (alarm.kind, alarm.shown) == (AlarmKind.NOT_EXTENDED, request.extension.checkpoint)
    shorter = replace(shown, entries=shown.entries[:-2] + shown.entries[-1:])
    with pytest.raises(MalformedMessage, match="do not end at its checkpoint"):
        ours.scorers[name].answer(replace(request, extension=shorter))
    assert refusal(ours, name, request) == "consent-not-active"


def test_a_revocation_that_is_logged_is_heeded_by_all_with_the_very_next_request(
    own: DishonestRehearsal, ours: OnlineFederation, bundle: ConsentBundle
) -> None:
    ours.score(own.enterprise(0))
    before = asked_about(own, ours, 0)
    own.log.append([change(own, ours, bundle, What.REVOKE)])
    for asked in (before, asked_about(own, ours, 0)):
        for name in own.drawn.departments:
            assert refusal(ours, name, relayed(own, asked, own.log, name)) == "consent-not-active"


def test_an_old_resumption_that_is_logged_again_ends_a_later_pause_only_where_times_are_not_compared(
    own: DishonestRehearsal, ours: OnlineFederation, bundle: ConsentBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, other = own.drawn.departments[:2]
    resumed = change(own, ours, bundle, What.RESUME, at=2)
    own.log.append([change(own, ours, bundle, What.PAUSE, at=1)])
    asked = asked_about(own, ours, 0)
    assert refusal(ours, name, relayed(own, asked, own.log, name)) == "consent-not-active"
    own.log.append([resumed])
    ours.scorers[name].answer(relayed(own, asked_about(own, ours, 0), own.log, name))
    own.log.append([change(own, ours, bundle, What.PAUSE, at=3)])
    own.log.force(resumed)
    asked = asked_about(own, ours, 0)
    for one in (name, other):
        assert refusal(ours, one, relayed(own, asked, own.log, one)) == "consent-not-active"
    monkeypatch.setattr(states, "_after", after_whatever_came_last(states._after))
    ours.scorers[other].answer(relayed(own, asked, own.log, other))


# Permissions


def asking(own: DishonestRehearsal, ours: OnlineFederation) -> Subject:
    purpose = ours.enterprises.consent(own.enterprise(5), own.bank).claimed().purpose
    return Subject(
        action=Action.REQUEST_SCORES,
        grantor=own.log.home.participant_id,
        grantee=own.bank,
        model=own.drawn.version,
        purpose=purpose,
    )


def test_a_permission_that_is_withdrawn_is_gone_with_the_very_next_request_and_the_last_word_counts(
    own: DishonestRehearsal, ours: OnlineFederation
) -> None:
    subject, before = asking(own, ours), asked_about(own, ours, 0)
    own.log.say(subject, granted=False)
    for asked in (before, asked_about(own, ours, 1)):
        for name in own.drawn.departments:
            assert refusal(ours, name, relayed(own, asked, own.log, name)) == "not-permitted"
    # A word that claims to be older counts all the same: it is the last, for everybody to see.
    older = Permission(subject=subject, granted=True, at=1).sign(own.log.home.identity())
    own.log.append([Logged.of(EntryKind.PERMISSION, older)])
    ours.score(own.enterprise(2))


def test_a_permission_that_a_department_or_a_bank_signs_for_the_bureau_changes_nothing(
    own: DishonestRehearsal, ours: OnlineFederation
) -> None:
    subject = asking(own, ours)
    own.log.say(subject, granted=False)
    for name in (own.drawn.departments[0], own.bank):
        for grantor in (subject.grantor, name):
            forged = Permission(subject=replace(subject, grantor=grantor), granted=True, at=int(own.clock.now()))
            own.log.append([Logged.of(EntryKind.PERMISSION, forged.sign(own.home(name).identity()))])
    asked = asked_about(own, ours, 0)
    for name in own.drawn.departments:
        with pytest.raises(NotPermitted):
            ours.scorers[name].answer(relayed(own, asked, own.log, name))
