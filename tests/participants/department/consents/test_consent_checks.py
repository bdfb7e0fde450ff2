"""Each step of `consents.checks` by itself: what it lets pass, and with which problem it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId
from models.consent.uses import MONTH_SECONDS
from models.hosting.storage.database import Database
from models.wire.consent import Computation, Consent, Purpose, ReasonsOpenedBy
from models.wire.consent_change import What
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.permission import Action, Permission, Subject, signing_with
from models.wire.score_statement import Question, ScoreStatement
from participants.department.consents import checks
from participants.department.consents.checks import FOLLOWS_SECONDS, MAXIMUM_ANSWERS_OF_A_USE, Claimed
from participants.department.consents.keeping import ConsentStore, KeptConsent
from participants.department.database.tables import data_uses
from participants.department.errors import ConsentUnusable
from participants.department.log.permissions import LoggedPermissions
from participants.department.log.view import LogView
from simulations.enterprise.drawn_consent import CREATED, drawn_consent
from simulations.enterprise.signatory import Bounds, Signatory
from simulations.local_log import PAGES
from simulations.online_rehearsal import SetClock
from simulations.shown_log import DEPARTMENTS, ME, ShownLog
from simulations.witnessed_log import BUREAU

BANK, REGISTRAR = ParticipantId("bank"), DEPARTMENTS[0]
REGISTERING = Subject(action=Action.REGISTER_PASSKEYS, grantor=BUREAU, grantee=REGISTRAR)


class Bench:
    """A department, and a consent with three uses in all and two a month that it keeps."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.clock = SetClock(CREATED)
        self.log, self.database = ShownLog(directory, self.clock), database
        self.view = LogView(self.log.home, database, BUREAU)
        self.permissions = LoggedPermissions(BUREAU)
        self.store = ConsentStore(self.log.home, database, PAGES)
        self.person = Signatory.create(drawn_consent().enterprise_id, PAGES)
        self.binding = self.person.binding(self.log.identities[REGISTRAR], REGISTRAR, at=CREATED - 60)
        self.bundle = self.person.consent(
            BANK,
            DEPARTMENTS,
            created_at=CREATED,
            purpose=Purpose.MONITORING,
            bounds=Bounds(maximum_uses=3, uses_a_month=2),
        )
        digest = self.store.keep(self.bundle)
        with database.reading() as connection:
            found = self.store.find(connection, digest)
        assert found is not None
        self.kept: KeptConsent = found

    def claimed(self, number: int = 0, *, index: int = 99, digest: bytes = b"r" * 32, **changes: Any) -> Claimed:
        question = Question(
            enterprise_id=changes.pop("enterprise_id", self.kept.consent.enterprise_id),
            consent=self.kept.digest,
            use=number,
        )
        statement = ScoreStatement(
            request_id=RequestId("0a" * 16),
            bank=BANK,
            bank_serial=1,
            model_version=ModelVersion("0b" * 16),
            key_fingerprint=b"f" * 32,
            expires_at=CREATED + 60,
            bits=0b111,
            serials=(1, 1, 1),
            boxes=b"b" * 32,
            purpose=Purpose.MONITORING,
            computation=Computation.SCORE,
            use_tag=self.kept.tag(number),
        )
        named = {"bank": changes.pop("bank", BANK), "me": changes.pop("me", ME)}
        return Claimed(statement=replace(statement, **changes), question=question, digest=digest, index=index, **named)

    def say(self, subject: Subject, *, granted: bool) -> int:
        signer = self.log.bureau if subject.grantor == BUREAU else self.log.identities[subject.grantor]
        place = self.log.publish_document(
            EntryKind.PERMISSION, Permission(subject=subject, granted=granted, at=1).sign(signer)
        )
        self.see()
        return place

    def see(self) -> None:
        self.view.take_in(self.log.extension())

    def use(self, number: int, digest: bytes, at: int = 0) -> None:
        """A request under a number that is in the log. at: when this department sees it."""
        self.clock.seconds = CREATED + at
        self.log.append(LogEntry(kind=EntryKind.REQUEST, digest=digest, tag=self.kept.tag(number)))
        self.see()

    def answer(self, number: int, digest: bytes, request_id: str = "0a" * 16) -> None:
        """This department has answered such a request."""
        row = {
            "digest": digest,
            "position": 1,
            "used_at": CREATED,
            "bank": BANK,
            "model_version": "0b" * 16,
            "purpose": "monitoring",
            "computation": "score",
            "consent": self.kept.digest,
            "tag": self.kept.tag(number),
            "request_id": request_id,
        }
        with self.database.begin() as connection:
            connection.execute(insert(data_uses), row)

    def require_logged(self, index: int = 99) -> str:
        with self.database.reading() as connection:
            return slug(
                lambda: checks.require_logged(self.permissions, connection, self.claimed(index=index), self.kept)
            )

    def require_use(self, claimed: Claimed, at: int = 0) -> str:
        with self.database.reading() as connection:
            return slug(lambda: checks.require_use(connection, claimed, self.kept, CREATED + at))


def slug(check: Callable[[], object]) -> str:
    """Nothing, or the problem with which a step refuses."""
    try:
        check()
    except ConsentUnusable as fault:
        return fault.problem_kind.slug
    return ""


@pytest.fixture
def bench(tmp_path: Path, department_database: Database) -> Bench:
    return Bench(tmp_path / "home", department_database)


def test_step_1_a_consent_that_is_not_kept_is_unknown(bench: Bench) -> None:
    with bench.database.reading() as connection:
        assert checks.known_consent(bench.store, connection, bench.claimed()) is bench.kept
        other = replace(bench.claimed(), question=replace(bench.claimed().question, consent=b"x" * 32))
        assert slug(lambda: checks.known_consent(bench.store, connection, other)) == "consent-unknown"


def test_step_2_passkey_and_consent_stand_before_the_request_and_the_registrar_before_the_passkey(
    bench: Bench,
) -> None:
    assert bench.require_logged() == "consent-not-logged"
    bench.say(REGISTERING, granted=True)
    bench.log.append(bench.binding.entry())
    bench.see()
    assert bench.require_logged() == "consent-not-logged"
    place = bench.log.append(bench.bundle.consent_entry)
    bench.see()
    assert [bench.require_logged(place + step) for step in (-1, 0, 1, 9)] == ["consent-not-logged"] * 2 + [""] * 2
    bench.say(REGISTERING, granted=False)
    assert bench.require_logged() == ""  # what was registered while it was permitted stays so
    bench.say(signing_with(bench.kept.passkey_tag, DEPARTMENTS[1]), granted=False)
    assert bench.require_logged() == ""
    bench.say(signing_with(bench.kept.passkey_tag, REGISTRAR), granted=False)
    assert bench.require_logged() == "consent-invalid"


def test_step_2_a_passkey_that_was_bound_before_its_registrar_was_permitted_is_invalid(bench: Bench) -> None:
    bench.log.append(bench.binding.entry())
    bench.log.append(bench.bundle.consent_entry)
    bench.see()
    assert bench.require_logged() == "consent-invalid"
    bench.say(REGISTERING, granted=True)
    bench.log.append(bench.binding.entry())  # a second entry moves nothing
    bench.see()
    assert bench.require_logged() == "consent-invalid"


def test_steps_3_to_6_are_of_what_the_consent_says(bench: Bench) -> None:
    kept, other = bench.kept, EnterpriseId("91500000MA0000001B")
    steps: dict[Callable[[Claimed, KeptConsent], None], tuple[dict[str, Any], str]] = {
        checks.require_bank: ({"bank": ParticipantId("bank-2")}, "consent-of-another-bank"),
        checks.require_enterprise: ({"enterprise_id": other}, "consent-of-another-enterprise"),
        checks.require_purpose: ({"purpose": Purpose.APPLICATION}, "consent-for-another-purpose"),
        checks.require_provider: ({"me": ParticipantId("police")}, "consent-without-department"),
    }
    for check, (changes, problem) in steps.items():
        assert slug(partial(check, bench.claimed(), kept)) == ""
        assert slug(partial(check, bench.claimed(**changes), kept)) == problem


@pytest.mark.parametrize("asked", Computation)
@pytest.mark.parametrize("given", Computation)
def test_step_5_who_may_have_reasons_may_do_without_and_nobody_has_more_than_was_given(
    bench: Bench, given: Computation, asked: Computation
) -> None:
    reasons = ReasonsOpenedBy.BANK if given is Computation.SCORE_WITH_REASONS else None
    consent = replace(bench.kept.consent, computation=given, reasons_opened_by=reasons)
    allowed = asked is given or (given, asked) == (Computation.SCORE_WITH_REASONS, Computation.SCORE)
    found = slug(lambda: checks.require_purpose(bench.claimed(computation=asked), replace(bench.kept, consent=consent)))
    assert found == ("" if allowed else "consent-for-another-purpose")


def test_step_7_the_rules_in_force_bound_what_is_kept(bench: Bench) -> None:
    assert slug(lambda: checks.require_within_bounds(bench.kept)) == ""
    greedy: Consent = replace(bench.kept.consent, maximum_uses=999)
    assert slug(lambda: checks.require_within_bounds(replace(bench.kept, consent=greedy))) == "consent-beyond-rules"


def test_step_8_a_consent_is_active_between_its_times_and_while_it_is_not_paused(bench: Bench) -> None:
    def state(now: int) -> str:
        with bench.database.reading() as connection:
            return slug(lambda: checks.require_in_force(bench.store, connection, bench.kept, now))

    consent = bench.kept.consent
    times = (consent.valid_from - 1, consent.valid_from, consent.expires_at - 1, consent.expires_at)
    assert [state(now) for now in times] == ["consent-not-active", "", "", "consent-not-active"]
    for what, found in ((What.PAUSE, "consent-not-active"), (What.RESUME, ""), (What.REVOKE, "consent-not-active")):
        at = CREATED + list(What).index(what)
        document = bench.person.change(consent, what, at=at).encode()
        bench.log.publish_document(EntryKind.CONSENT_CHANGE, document)
        bench.see()
        assert state(CREATED + 10) == found


def test_step_9_a_use_is_of_its_number_and_the_first_of_it_in_the_log(bench: Bench) -> None:
    mine = bench.claimed()
    assert bench.require_use(mine) == "use-taken"  # nothing under this tag was seen
    bench.use(0, b"r" * 32)
    assert bench.require_use(mine) == ""
    assert bench.require_use(bench.claimed(digest=b"s" * 32)) == "use-taken"
    assert bench.require_use(bench.claimed(use_tag=bench.kept.tag(1))) == "consent-used-up"
    assert bench.require_use(bench.claimed(3)) == "consent-used-up"


def test_step_9_what_follows_the_first_is_the_same_use_for_a_day_under_one_id_and_so_often(bench: Bench) -> None:
    bench.use(0, b"r" * 32)
    following = bench.claimed(digest=b"s" * 32, follows=b"r" * 32)
    assert bench.require_use(following, FOLLOWS_SECONDS) == ""
    assert bench.require_use(following, FOLLOWS_SECONDS + 1) == "use-taken"
    assert bench.require_use(bench.claimed(), FOLLOWS_SECONDS + 1) == ""
    for number in range(MAXIMUM_ANSWERS_OF_A_USE - 1):
        bench.answer(0, bytes([number]) * 32)
    assert bench.require_use(following) == ""
    assert bench.require_use(bench.claimed(digest=b"s" * 32, follows=b"r" * 32, request_id="0c" * 16)) == "use-taken"
    bench.answer(0, b"z" * 32)
    assert bench.require_use(following) == "use-taken"


def test_step_9_uses_are_counted_in_the_order_of_the_log_in_all_and_within_thirty_days(bench: Bench) -> None:
    digests = {number: bytes([number]) * 32 for number in range(3)}
    for at, number in enumerate((2, 0, 1)):
        bench.use(number, digests[number], at)
    found = [bench.require_use(bench.claimed(number, digest=digests[number]), 2) for number in (2, 0, 1)]
    assert found == ["", "", "consent-used-up"]
    # The first leaves the thirty days, and then there is room for the last one.
    last = bench.claimed(1, digest=digests[1])
    assert bench.require_use(last, MONTH_SECONDS - 1) == "consent-used-up"
    assert bench.require_use(last, MONTH_SECONDS) == ""
