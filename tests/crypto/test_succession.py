"""A new identity that the old one endorses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.documents import sign_document
from crypto.errors import MalformedMessage, PeerError, SignatureInvalid, UntrustedKey, YurongError
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from crypto.labels import Label
from crypto.succession import HandOver

OLD, NEW, OTHER = Identity.generate(), Identity.generate(), Identity.generate()
PINNED = OLD.public.fingerprint()


def document(identity: Identity, serial: int = 2) -> ParticipantDocument:
    return ParticipantDocument(
        participant_id=ParticipantId("tax"), role=Role.DEPARTMENT, title="税务", identity=identity.public, serial=serial
    )


HANDED = HandOver.endorsed(document(NEW).sign(NEW), OLD)


def verify_both(handed: HandOver) -> None:
    handed.verify_signed_by_itself()
    handed.verify_endorsed_by(PINNED)


def test_what_was_handed_over_is_the_document_and_its_endorsement() -> None:
    again = HandOver.split(HANDED.to_bytes())
    assert again == HANDED
    assert again.verify_signed_by_itself() == document(NEW)
    again.verify_endorsed_by(PINNED)
    alone = HandOver.split(HANDED.document)
    assert alone == HandOver(HANDED.document)
    with pytest.raises(MalformedMessage):
        alone.verify_endorsed_by(PINNED)


def test_the_endorsement_counts_from_the_pinned_identity_and_for_this_document_alone() -> None:
    with pytest.raises(UntrustedKey):
        HandOver.endorsed(HANDED.document, OTHER).verify_endorsed_by(PINNED)
    with pytest.raises(MalformedMessage):
        HandOver(document(NEW, 3).sign(NEW), HANDED.endorsement).verify_endorsed_by(PINNED)
    with pytest.raises(MalformedMessage):
        HandOver(document(OTHER).sign(OTHER), HANDED.endorsement).verify_endorsed_by(PINNED)


def test_a_signature_of_the_old_identity_for_something_else_is_no_endorsement() -> None:
    fields = {
        "agreement_key": OLD.public.agreement_key.hex(),
        "document": "00" * 32,
        "signing_key": OLD.public.signing_key.hex(),
    }
    with pytest.raises(SignatureInvalid):
        HandOver(HANDED.document, sign_document(OLD, Label.SIGNED_DOCUMENT, fields)).verify_endorsed_by(PINNED)
    for changed in (fields | {"more": ""}, fields | {"signing_key": 1}, fields | {"document": None}):
        with pytest.raises(MalformedMessage):
            HandOver(HANDED.document, sign_document(OLD, Label.DOCUMENT_SUCCESSION, changed)).verify_endorsed_by(PINNED)


def test_every_changed_byte_is_noticed() -> None:
    data = HANDED.to_bytes()
    for position in range(len(data)):
        changed = HandOver.split(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with pytest.raises(PeerError):
            verify_both(changed)


@given(st.binary(max_size=400) | st.binary(max_size=50).map(lambda data: HANDED.to_bytes() + data + b"\n"))
def test_only_our_error_escapes_from_what_was_handed_over(data: bytes) -> None:
    handed = HandOver.split(data)
    with pytest.raises(YurongError):
        verify_both(handed)


def test_what_is_too_long_is_not_read() -> None:
    with pytest.raises(MalformedMessage):
        HandOver.split(bytes(20_000))
