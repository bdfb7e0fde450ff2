"""Whose passkey it is: nobody but the registrar and the passkey together can say so."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.documents import canonical_json
from crypto.errors import MalformedMessage, PeerError, SignatureInvalid, UntrustedKey
from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.identity import Identity
from crypto.labels import Label
from crypto.passkeys import Assertion, RelyingParty
from models.wire.consent import SignatoryRole
from models.wire.log_entry import EntryKind, LogEntry, tag_of_passkey
from models.wire.passkey_binding import PasskeyBinding, Registrars, SignedBinding
from simulations.authenticator import Conduct
from simulations.enterprise.signatory import Signatory

PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
ENTERPRISE, OTHER = EnterpriseId("91509900MA0000007U"), EnterpriseId("91509900MA0000015N")
MARKET, TAX = ParticipantId("market-regulation"), ParticipantId("tax")
REGISTRAR, STRANGER = Identity.generate(), Identity.generate()
REGISTRARS: Registrars = {MARKET: (STRANGER.public, REGISTRAR.public)}
AT = 1_800_000_000
PERSON = Signatory.create(ENTERPRISE, PARTY)
SIGNED = PERSON.binding(REGISTRAR, MARKET, at=AT)
BINDING = SIGNED.claimed()
DOCUMENT = SIGNED.document


def signed(binding: PasskeyBinding, registrar: Identity = REGISTRAR, **conduct: Any) -> SignedBinding:
    """What a person who does all that an adversary asks for would make of `binding`."""
    return SignedBinding.sign(binding, PERSON.authenticator.sign(binding.digest(), Conduct(**conduct)), registrar)


def test_a_binding_is_this_document_and_comes_back_from_it() -> None:
    fields = {
        "at": AT,
        "enterprise_id": "91509900MA0000007U",
        "passkey": PERSON.passkey.encode().hex(),
        "registrar": "market-regulation",
        "signatory": {"name": "王小明", "role": "legal-representative"},
    }
    assert canonical_json(fields) == DOCUMENT
    assert PasskeyBinding.decode(DOCUMENT) == BINDING
    framed = b"yurong/1/hash/passkey-binding\0" + len(DOCUMENT).to_bytes(8, "big") + DOCUMENT
    assert BINDING.digest() == hashlib.sha256(framed).digest()


def test_what_registrar_and_passkey_signed_verifies() -> None:
    again = SignedBinding.decode(SIGNED.encode())
    assert again.verify(REGISTRARS, PARTY) == BINDING
    tag = tag_of_passkey(PERSON.passkey.credential_id)
    assert again.entry() == LogEntry(kind=EntryKind.PASSKEY, digest=BINDING.digest(), tag=tag)


def test_a_bureau_that_makes_up_a_binding_is_no_registrar() -> None:
    bureau = Identity.generate()
    made_up = Signatory.create(ENTERPRISE, PARTY)
    own_name = made_up.binding(bureau, ParticipantId("bureau"), at=AT)
    registrars_name = made_up.binding(bureau, MARKET, at=AT)
    # Were the bureau believed, both would pass.
    own_name.verify({ParticipantId("bureau"): (bureau.public,)}, PARTY)
    registrars_name.verify({MARKET: (bureau.public,)}, PARTY)
    with pytest.raises(UntrustedKey):
        own_name.verify(REGISTRARS, PARTY)
    with pytest.raises(SignatureInvalid, match="not registered by"):
        registrars_name.verify(REGISTRARS, PARTY)


def test_a_department_without_permission_registers_nothing_not_even_under_its_own_name() -> None:
    binding = replace(BINDING, registrar=TAX)
    with pytest.raises(UntrustedKey):
        signed(binding, STRANGER).verify(REGISTRARS, PARTY)
    with pytest.raises(UntrustedKey):
        signed(binding, STRANGER).verify({TAX: (), MARKET: (STRANGER.public,)}, PARTY)
    with pytest.raises(SignatureInvalid):
        signed(replace(BINDING, registrar=MARKET), STRANGER).verify({MARKET: (REGISTRAR.public,)}, PARTY)


def test_a_registrar_binds_no_passkey_that_did_not_sign() -> None:
    """Else a registrar could give an enterprise the key of somebody who knows nothing of it."""
    other = Signatory.create(OTHER, PARTY).binding(REGISTRAR, MARKET, at=AT)
    for assertion in (b"", b"\0" * 43, other.assertion):
        with pytest.raises(PeerError):
            replace(SIGNED, assertion=assertion).verify(REGISTRARS, PARTY)


@pytest.mark.parametrize(
    "conduct",
    [{"user_verified": False}, {"origin": "https://evil.example"}, {"kind": "webauthn.create"}, {"cross_origin": True}],
    ids=["unverified", "origin", "kind", "frame"],
)
def test_a_passkey_signs_its_binding_as_it_should(conduct: dict[str, Any]) -> None:
    with pytest.raises(SignatureInvalid):
        signed(BINDING, **conduct).verify(REGISTRARS, PARTY)


OTHERS: dict[str, Any] = {
    "enterprise_id": OTHER,
    "signatory": replace(BINDING.signatory, name="王小红"),
    "registrar": TAX,
    "at": AT + 1,
}


@pytest.mark.parametrize("field", OTHERS)
def test_a_binding_altered_on_its_way_is_refused(field: str) -> None:
    binding = replace(BINDING, **{field: OTHERS[field]})
    assert binding.digest() != BINDING.digest()
    both = {MARKET: (REGISTRAR.public,), TAX: (REGISTRAR.public,)}
    with pytest.raises(SignatureInvalid):
        replace(SIGNED, document=binding.encode()).verify(both, PARTY)
    # Not even the registrar alters it alone.
    bare = SignedBinding.sign(binding, Assertion.decode(SIGNED.assertion), REGISTRAR)
    with pytest.raises(PeerError):
        bare.verify(both, PARTY)


def test_the_registrars_word_under_another_label_counts_for_nothing() -> None:
    forged = replace(SIGNED, registrar_signature=REGISTRAR.sign(Label.SIGNED_DOCUMENT, DOCUMENT))
    with pytest.raises(SignatureInvalid):
        forged.verify(REGISTRARS, PARTY)


BEYOND: list[dict[str, Any]] = [
    {"at": -1},
    {"at": True},
    {"enterprise_id": "91509900MA0000007X"},
    {"passkey": "00"},
    {"passkey": PERSON.passkey.encode().hex().upper()},
    {"registrar": "Tax"},
    {"signatory": None},
    {"signatory": {"name": "王小明"}},
    {"signatory": {"name": " 王", "role": "legal-representative"}},
    {"signatory": {"name": "王小明", "role": "clerk"}},
    {"more": 1},
]


@pytest.mark.parametrize("change", BEYOND, ids=range(len(BEYOND)))
def test_no_other_form_is_read(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        PasskeyBinding.decode(canonical_json(json.loads(DOCUMENT) | change))


def test_a_person_has_the_passkey_that_is_bound() -> None:
    with pytest.raises(MalformedMessage):
        replace(BINDING, signatory=replace(BINDING.signatory, credential_id=b"d" * 16))
    assert replace(BINDING, signatory=replace(BINDING.signatory, role=SignatoryRole.SOLE_PROPRIETOR)) != BINDING


def test_what_is_shown_of_a_binding_names_nobody() -> None:
    assert ENTERPRISE not in repr(SIGNED)
    assert "王" not in repr(SIGNED)


@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 255))
def test_a_byte_altered_is_refused_or_is_another_binding(place: int, by: int) -> None:
    data = bytearray(DOCUMENT)
    data[place] ^= by
    try:
        binding = PasskeyBinding.decode(bytes(data))
    except MalformedMessage:
        return
    assert binding.encode() == bytes(data)
    assert binding.digest() != BINDING.digest()
