"""Permissions, approvals and refusals: signed documents of one form, and what the log holds of them."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.documents import sign_document
from crypto.errors import MalformedMessage, PeerError, SignatureInvalid
from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from crypto.identity import Identity, ParticipantDocument
from crypto.labels import Label
from crypto.passkeys import RelyingParty
from crypto.succession import HandOver
from models.wire.consent import Purpose
from models.wire.consent_change import What
from models.wire.log_entry import PUBLIC, EntryKind
from models.wire.logged import digest_of, entry_of
from models.wire.logged_document import MAXIMUM_LOGGED_BYTES, LoggedDocument
from models.wire.model_approval import ModelApproval
from models.wire.permission import Action, Permission, Subject
from models.wire.refusal import Refusal
from simulations.enterprise.drawn_consent import drawn_consent
from simulations.enterprise.signatory import Signatory

BUREAU, BANK, TAX = map(ParticipantId, ("bureau", "bank", "tax"))
SIGNER, OTHER = Identity.generate(), Identity.generate()
AT = 1_800_000_000
MODEL = ModelVersion("0c" * 16)
REQUEST_SCORES = Subject(
    action=Action.REQUEST_SCORES, grantor=BUREAU, grantee=BANK, model=MODEL, purpose=Purpose.APPLICATION
)
REGISTER = Subject(action=Action.REGISTER_PASSKEYS, grantor=BUREAU, grantee=TAX)
TAKE_PART = Subject(action=Action.TAKE_PART, grantor=TAX, grantee=TAX, run=RunId("run-7"))
FACTS: dict[str, LoggedDocument] = {
    "scores": Permission(subject=REQUEST_SCORES, granted=True, at=AT),
    "passkeys": Permission(subject=REGISTER, granted=False, at=AT),
    "runs": Permission(subject=TAKE_PART, granted=True, at=AT),
    "approval": ModelApproval(bureau=BUREAU, model_version=MODEL, approved=True, at=AT),
    "refusal": Refusal(bureau=BUREAU, department=TAX, problem="no-use-left", request=b"q" * 32, at=AT),
}
each_fact = pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)


@each_fact
def test_a_document_is_read_as_it_was_signed(fact: LoggedDocument) -> None:
    document = fact.sign(SIGNER)
    assert type(fact).verify(document, SIGNER.public) == fact
    assert type(fact).claimed(document) == fact
    assert len(document) <= MAXIMUM_LOGGED_BYTES
    entry = type(fact).entry(document)
    assert (entry.kind, entry.digest, entry.tag) == (fact.KIND, hashlib.sha256(document).digest(), b"")


@each_fact
def test_a_document_of_another_signer_or_label_is_refused(fact: LoggedDocument) -> None:
    with pytest.raises(SignatureInvalid):
        type(fact).verify(fact.sign(OTHER), SIGNER.public)
    with pytest.raises(SignatureInvalid):
        type(fact).verify(sign_document(SIGNER, Label.SIGNED_DOCUMENT, fact.fields()), SIGNER.public)


@each_fact
def test_no_field_may_be_missing_or_more(fact: LoggedDocument) -> None:
    for key in fact.fields():
        rest = {name: value for name, value in fact.fields().items() if name != key}
        for fields in (rest, fact.fields() | {"more": 1}):
            with pytest.raises(MalformedMessage):
                type(fact).verify(sign_document(SIGNER, fact.LABEL, fields), SIGNER.public)


@each_fact
@given(data=st.data())
def test_a_byte_altered_is_refused(fact: LoggedDocument, data: st.DataObject) -> None:
    document = bytearray(fact.sign(SIGNER))
    document[data.draw(st.integers(0, len(document) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(PeerError):
        type(fact).verify(bytes(document), SIGNER.public)


@each_fact
@given(value=st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.lists(st.integers(0, 1)))
def test_only_our_error_escapes_whatever_a_field_holds(fact: LoggedDocument, value: Any) -> None:
    for key in fact.fields():
        try:
            document = sign_document(SIGNER, fact.LABEL, fact.fields() | {key: value})
            read = type(fact).verify(document, SIGNER.public)
        except MalformedMessage:
            continue
        assert read.fields()[key] == value


def test_a_permission_is_this_document() -> None:
    body, _, _ = FACTS["scores"].sign(SIGNER).partition(b"\n")
    assert json.loads(body) == {
        "action": "request-scores",
        "at": AT,
        "granted": True,
        "grantee": "bank",
        "grantor": "bureau",
        "model": MODEL,
        "purpose": "application",
        "run": None,
    }


def test_of_several_permissions_with_one_subject_the_last_in_the_log_counts() -> None:
    withdrawn = Permission(subject=replace(REQUEST_SCORES), granted=False, at=AT - 9)
    monitoring = Permission(subject=replace(REQUEST_SCORES, purpose=Purpose.MONITORING), granted=True, at=AT)
    log = [FACTS["scores"], monitoring, FACTS["passkeys"], withdrawn]
    standing = {one.subject: one.granted for one in log if isinstance(one, Permission)}
    assert standing == {REQUEST_SCORES: False, monitoring.subject: True, REGISTER: False}


@pytest.mark.parametrize(
    ("subject", "change"),
    [
        (REQUEST_SCORES, {"model": None}),
        (REQUEST_SCORES, {"purpose": None}),
        (REQUEST_SCORES, {"run": RunId("run-7")}),
        (REQUEST_SCORES, {"model": ModelVersion("0C" * 16)}),
        (REQUEST_SCORES, {"grantee": ParticipantId("Bank")}),
        (REQUEST_SCORES, {"action": Action.REGISTER_PASSKEYS}),
        (REGISTER, {"model": MODEL}),
        (REGISTER, {"grantor": ParticipantId("")}),
        (TAKE_PART, {"run": None}),
        (TAKE_PART, {"run": RunId("Run 7")}),
        (TAKE_PART, {"purpose": Purpose.MODEL_TRAINING}),
    ],
    ids=range(11),
)
def test_a_permission_names_what_its_action_has_and_nothing_else(subject: Subject, change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        replace(subject, **change)


@pytest.mark.parametrize("problem", ["", "No-Use-Left", "no use", "x" * 61], ids=range(4))
def test_a_refusal_names_a_problem_by_its_slug(problem: str) -> None:
    with pytest.raises(MalformedMessage):
        Refusal(bureau=BUREAU, department=TAX, problem=problem, request=b"q" * 32, at=AT)
    with pytest.raises(MalformedMessage):
        Refusal(bureau=BUREAU, department=TAX, problem="no-use-left", request=b"q" * 31, at=AT)


def public_documents() -> dict[EntryKind, bytes]:
    """One document of each public kind."""
    party = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
    participant = ParticipantDocument(participant_id=TAX, role=Role.DEPARTMENT, title="税务", identity=SIGNER.public)
    consent = drawn_consent()
    changed = Signatory.create(consent.enterprise_id, party).change(consent, What.PAUSE, at=AT)
    return {
        EntryKind.PARTICIPANT: HandOver.endorsed(participant.sign(SIGNER), OTHER).to_bytes(),
        EntryKind.PERMISSION: FACTS["runs"].sign(SIGNER),
        EntryKind.MODEL_APPROVED: FACTS["approval"].sign(SIGNER),
        EntryKind.CONSENT_CHANGE: changed.encode(),
    }


DOCUMENTS = public_documents()


def test_every_public_kind_has_a_digest() -> None:
    assert DOCUMENTS.keys() == PUBLIC
    for kind, document in DOCUMENTS.items():
        entry = entry_of(kind, document)
        assert entry.kind is kind
        assert entry.digest == digest_of(kind, document)
        if kind is not EntryKind.CONSENT_CHANGE:
            assert entry.digest == hashlib.sha256(document).digest()


@pytest.mark.parametrize("kind", EntryKind, ids=lambda kind: kind.name)
def test_a_document_of_one_kind_is_none_of_another(kind: EntryKind) -> None:
    for own, document in DOCUMENTS.items():
        if own is not kind:
            with pytest.raises(MalformedMessage):
                digest_of(kind, document)
    with pytest.raises(MalformedMessage):
        digest_of(kind, b"")


def test_a_participants_document_that_another_identity_signed_is_none() -> None:
    participant = ParticipantDocument(participant_id=TAX, role=Role.DEPARTMENT, title="税务", identity=SIGNER.public)
    body, _, _ = participant.sign(SIGNER).partition(b"\n")
    forged = body + b"\n" + OTHER.sign(Label.PARTICIPANT_DOCUMENT, body).hex().encode() + b"\n"
    with pytest.raises(MalformedMessage):
        digest_of(EntryKind.PARTICIPANT, forged)


def test_what_the_log_has_of_a_change_does_not_depend_on_its_signature() -> None:
    """Whoever sees a signature of ES256 can make a second one of it."""
    consent = drawn_consent()
    party = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
    person = Signatory.create(consent.enterprise_id, party)
    one, two = (person.change(consent, What.PAUSE, at=AT) for _ in range(2))
    assert one.assertion != two.assertion
    assert digest_of(EntryKind.CONSENT_CHANGE, one.encode()) == digest_of(EntryKind.CONSENT_CHANGE, two.encode())
