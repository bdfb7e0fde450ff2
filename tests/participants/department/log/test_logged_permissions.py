"""Who may do what by the log: the last word of whoever has the say, and nobody else's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import MalformedMessage, SignatureInvalid
from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from crypto.identity import Identity, ParticipantDocument
from models.hosting.storage.database import Database
from models.log.names import Documents
from models.wire.consent import Purpose
from models.wire.log_entry import EntryKind
from models.wire.model_approval import ModelApproval
from models.wire.permission import Action, Permission, Subject, signing_with
from participants.department.errors import ModelNotApproved, NotPermitted
from participants.department.log.permissions import LoggedPermissions, require_counts
from participants.department.log.view import LogView
from simulations.authenticator import SoftwareAuthenticator
from simulations.enterprise.drawn_consent import drawn_consent
from simulations.enterprise.signatory import Signatory
from simulations.local_log import PAGES
from simulations.online_rehearsal import SetClock
from simulations.shown_log import DEPARTMENTS, ME, ShownLog
from simulations.witnessed_log import BUREAU

BANK, MODEL = ParticipantId("bank"), ModelVersion("0a" * 16)
ASKING = Subject(action=Action.REQUEST_SCORES, grantor=BUREAU, grantee=BANK, model=MODEL, purpose=Purpose.APPLICATION)
REGISTERING = Subject(action=Action.REGISTER_PASSKEYS, grantor=BUREAU, grantee=ME)


class Said:
    """A log, what is said in it, and what a department makes of it."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.log = ShownLog(directory, SetClock())
        self.view = LogView(self.log.home, database, BUREAU)
        self.permissions = LoggedPermissions(BUREAU)
        self.database = database

    def say(self, subject: Subject, *, granted: bool, by: Identity | None = None, at: int = 1) -> int:
        document = Permission(subject=subject, granted=granted, at=at).sign(by or self.log.bureau)
        return self.see(EntryKind.PERMISSION, document)

    def approve(self, *, approved: bool, bureau: ParticipantId = BUREAU, by: Identity | None = None) -> int:
        word = ModelApproval(bureau=bureau, model_version=MODEL, approved=approved, at=1)
        return self.see(EntryKind.MODEL_APPROVED, word.sign(by or self.log.bureau))

    def see(self, kind: EntryKind, document: bytes) -> int:
        place = self.log.publish_document(kind, document)
        self.view.take_in(self.log.extension())
        return place

    def may_ask(self, **changes: Any) -> bool:
        asked = replace(ASKING, **changes)
        assert asked.model is not None
        assert asked.purpose is not None
        with self.database.reading() as connection:
            try:
                self.permissions.require_permitted(connection, asked.grantee, asked.model, asked.purpose)
            except NotPermitted:
                return False
        return True

    def is_approved(self) -> bool:
        with self.database.reading() as connection:
            try:
                self.permissions.require_approved(connection, MODEL)
            except ModelNotApproved:
                return False
        return True

    def registered(self, position: int, registrar: ParticipantId = ME) -> bool:
        with self.database.reading() as connection:
            return self.permissions.registered(connection, registrar, position)


@pytest.fixture
def said(tmp_path: Path, department_database: Database) -> Said:
    return Said(tmp_path / "home", department_database)


def test_what_was_never_granted_is_not_permitted_and_the_last_word_counts_whatever_time_it_claims(said: Said) -> None:
    assert not said.may_ask()
    for place, (granted, at) in enumerate([(True, 50), (False, 10), (True, 1), (False, 99)]):
        said.say(ASKING, granted=granted, at=at)
        assert said.may_ask() == granted
        assert len(said.permissions._said) == place + 1
    said.say(ASKING, granted=True)
    assert said.may_ask()
    assert not said.may_ask(purpose=Purpose.MONITORING)
    assert not said.may_ask(model=ModelVersion("0b" * 16))
    assert not said.may_ask(grantee=ParticipantId("bank-2"))


def test_a_model_is_approved_by_the_last_word_of_the_bureau(said: Said) -> None:
    assert not said.is_approved()
    for approved in (True, False, True):
        said.approve(approved=approved)
        assert said.is_approved() == approved


def test_words_of_those_who_have_no_say_change_nothing(said: Said) -> None:
    stranger, other = Identity.generate(), said.log.identities[DEPARTMENTS[0]]
    said.say(ASKING, granted=True)
    said.approve(approved=True)
    for signer, name in ((stranger, BUREAU), (other, BUREAU), (other, DEPARTMENTS[0]), (stranger, BANK)):
        said.say(replace(ASKING, grantor=name), granted=False, by=signer)
        said.approve(approved=False, bureau=name, by=signer)
    assert said.may_ask()
    assert said.is_approved()


def test_a_registrar_is_one_from_its_permission_on_until_it_is_withdrawn(said: Said) -> None:
    before = said.log.answer()
    first = said.say(REGISTERING, granted=True)
    during = said.log.answer()
    second = said.say(REGISTERING, granted=False)
    after = said.log.answer()
    places = (before, first, during, second, after)
    assert [said.registered(place) for place in places] == [False, False, True, True, False]
    assert not said.registered(during, DEPARTMENTS[0])


def test_a_passkey_is_withdrawn_by_the_registrar_that_bound_it_alone(said: Said) -> None:
    person = Signatory.create(drawn_consent().enterprise_id, PAGES)
    binding = person.proposed_binding(ME, at=1)
    other, mine = DEPARTMENTS[0], said.log.home.identity()

    def withdrawn() -> bool:
        with said.database.reading() as connection:
            return said.permissions.passkey_withdrawn(connection, binding.tag, ME)

    assert not withdrawn()
    said.say(signing_with(binding.tag, other), granted=False, by=said.log.identities[other])
    said.say(signing_with(binding.tag, ME), granted=False, by=said.log.identities[other])
    said.say(signing_with(binding.tag, ME), granted=False)
    another = SoftwareAuthenticator.create(PAGES).passkey
    said.say(signing_with(another.credential_id[:16], ME), granted=False, by=mine)
    assert not withdrawn()
    said.say(signing_with(binding.tag, ME), granted=False, by=mine)
    assert withdrawn()


def test_the_history_has_every_word_that_counts_in_the_order_of_the_log_also_for_who_reads_it_anew(said: Said) -> None:
    said.say(ASKING, granted=True, at=5)
    said.approve(approved=True)
    said.say(ASKING, granted=False, by=Identity.generate())
    said.say(ASKING, granted=False, at=3)
    for permissions in (said.permissions, LoggedPermissions(BUREAU)):
        with said.database.reading() as connection:
            found = [(one.subject, one.allows, one.position, one.at) for one in permissions.history(connection)]
        assert found == [(ASKING, True, 0, 5), (MODEL, True, 1, 1), (ASKING, False, 3, 3)]


def test_a_word_counts_by_the_documents_in_force_when_it_is_taken_in(said: Said) -> None:
    """So what was permitted stays so when the bureau is not pinned any more, or changes its keys."""
    said.say(ASKING, granted=True)
    signers = documents(BUREAU, Role.BUREAU, Identity.generate())
    document = Permission(subject=ASKING, granted=False, at=1).sign(said.log.bureau)
    with pytest.raises(SignatureInvalid):
        require_counts(EntryKind.PERMISSION, document, signers)
    require_counts(EntryKind.PERMISSION, document, documents(BUREAU, Role.BUREAU, said.log.bureau))
    assert said.may_ask()


def documents(name: ParticipantId, role: Role, *identities: Identity) -> Documents:
    return {
        name: [
            ParticipantDocument(participant_id=name, role=role, title=name, identity=one.public) for one in identities
        ]
    }


def test_a_signer_of_another_role_has_no_say_and_each_document_in_force_of_the_right_one_has() -> None:
    old, new = Identity.generate(), Identity.generate()
    taking_part = Subject(action=Action.TAKE_PART, grantor=ME, grantee=ME, run=RunId("run"))
    for subject, role, other in (
        (ASKING, Role.BUREAU, Role.DEPARTMENT),
        (REGISTERING, Role.BUREAU, Role.DEPARTMENT),
        (taking_part, Role.DEPARTMENT, Role.BUREAU),
        (signing_with(b"t" * 16, ME), Role.DEPARTMENT, Role.BUREAU),
    ):
        for signer in (old, new):
            document = Permission(subject=subject, granted=True, at=1).sign(signer)
            require_counts(EntryKind.PERMISSION, document, documents(subject.grantor, role, old, new))
            with pytest.raises(SignatureInvalid):
                require_counts(EntryKind.PERMISSION, document, documents(subject.grantor, other, old, new))
            with pytest.raises(SignatureInvalid):
                require_counts(EntryKind.PERMISSION, document, {})
    with pytest.raises(MalformedMessage):
        require_counts(EntryKind.PERMISSION, b"no permission", {})
    require_counts(EntryKind.CONSENT_CHANGE, b"anything", {})  # whoever keeps the consent verifies it
