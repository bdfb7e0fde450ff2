"""Identities and participants' documents."""

import copy
import pickle
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign_open

from crypto.certificates import make_certificate
from crypto.documents import parse_canonical_json, sign_document, split_document
from crypto.errors import (
    MalformedMessage,
    PeerError,
    ProtocolStateError,
    SignatureInvalid,
    UntrustedKey,
    YurongError,
)
from crypto.identifiers import ParticipantId, Role, parse_participant_id
from crypto.identity import Identity, ParticipantDocument, PublicIdentity, parse_fingerprint
from crypto.labels import Label, labelled
from simulations.adversaries.relay import RelayingBureau, TrustingDepartment

MODULUS = (1 << 3071) | 1
BUREAU, BANK = Identity.generate(), Identity.generate()
ADDRESS = "https://bank.example:8443"
CERTIFICATE = make_certificate("bank.example", now=datetime.now(UTC)).certificate_der
OTHER_CERTIFICATE = make_certificate("127.0.0.1", now=datetime.now(UTC)).certificate_der
NODE_KEY, OTHER_NODE_KEY = (
    ec.generate_private_key(curve).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for curve in (ec.SECP384R1(), ec.SECP256R1())
)


def bank_document(identity: Identity = BANK) -> ParticipantDocument:
    return ParticipantDocument(
        participant_id=ParticipantId("bank-of-yuzhong"),
        role=Role.BANK,
        title="渝中银行",
        identity=identity.public,
        serial=7,
        address=ADDRESS,
        certificate=CERTIFICATE,
        node_key=NODE_KEY,
        paillier_modulus=MODULUS,
        lattice_key_fingerprint=b"\x07" * 32,
    )


def test_a_text_that_is_signed_as_it_is_passes_for_nothing_that_is_signed_under_a_label() -> None:
    signature = BUREAU.sign_text(b"a text\n")
    crypto_sign_open(signature + b"a text\n", BUREAU.public.signing_key)
    for label in Label:
        with pytest.raises(SignatureInvalid):
            BUREAU.public.verify(label, b"a text\n", signature)
        with pytest.raises(ProtocolStateError):
            BUREAU.sign_text(labelled(label, b"a message"))


def test_a_signature_holds_for_its_label_and_message_alone() -> None:
    signature = BANK.sign(Label.ENVELOPE, b"message")
    BANK.public.verify(Label.ENVELOPE, b"message", signature)
    for label, message, wrong in [
        (Label.SIGNED_DOCUMENT, b"message", signature),
        (Label.ENVELOPE, b"messagf", signature),
        (Label.ENVELOPE, b"message", signature[:-1]),
        (Label.ENVELOPE, b"message", bytes(64)),
        (Label.ENVELOPE, b"message", BUREAU.sign(Label.ENVELOPE, b"message")),
    ]:
        with pytest.raises(SignatureInvalid):
            BANK.public.verify(label, message, wrong)


def test_an_identity_comes_back_from_its_private_bytes() -> None:
    again = Identity.from_private_bytes(BANK.to_private_bytes())
    assert again.public == BANK.public
    assert again.agree(BUREAU.public) == BUREAU.agree(BANK.public)
    with pytest.raises(MalformedMessage):
        Identity.from_private_bytes(bytes(63))


def test_a_private_identity_is_neither_shown_nor_pickled_nor_copied_nor_compared() -> None:
    secret = BANK.to_private_bytes()
    assert secret[:32].hex() not in repr(BANK)
    assert repr(BANK) == "<Identity: secret>"
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="secret"):
            take(BANK)
    assert Identity.from_private_bytes(secret) != BANK


@pytest.mark.parametrize(
    "key",
    [
        "00" * 32,
        "01" + "00" * 31,
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    ],
)
def test_a_signing_key_of_small_order_is_refused(key: str) -> None:
    with pytest.raises(MalformedMessage):
        PublicIdentity(signing_key=bytes.fromhex(key), agreement_key=BANK.public.agreement_key)


@pytest.mark.parametrize(
    "key",
    [
        "00" * 32,
        "01" + "00" * 31,
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ff" * 32,
    ],
)
def test_an_agreement_key_of_small_order_or_in_a_second_form_is_refused(key: str) -> None:
    with pytest.raises(MalformedMessage):
        PublicIdentity(signing_key=BANK.public.signing_key, agreement_key=bytes.fromhex(key))


def test_a_fingerprint_is_read_out_and_typed_in() -> None:
    shown = BANK.public.display_fingerprint()
    assert [len(group) for group in shown.split(" ")] == [4] * 16
    assert parse_fingerprint(shown.upper()) == BANK.public.fingerprint()
    for wrong in ("", shown[:-1], shown + "0", "g" * 64):
        with pytest.raises(MalformedMessage):
            parse_fingerprint(wrong)


def test_a_document_comes_back_from_its_bytes() -> None:
    document = bank_document()
    data = document.sign(BANK)
    assert ParticipantDocument.verify(data, BANK.public.fingerprint()) == document
    department = ParticipantDocument(
        participant_id=ParticipantId("tax"), role=Role.DEPARTMENT, title="Tax", identity=BUREAU.public
    )
    assert ParticipantDocument.verify(department.sign(BUREAU), BUREAU.public.fingerprint()) == department


def test_a_document_is_signed_by_the_identity_that_it_names() -> None:
    with pytest.raises(UntrustedKey):
        bank_document().sign(BUREAU)


def test_every_changed_byte_of_a_document_is_noticed() -> None:
    data = bank_document().sign(BANK)
    pinned = BANK.public.fingerprint()
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        with pytest.raises(PeerError):
            ParticipantDocument.verify(changed, pinned)
    for cut in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(PeerError):
            ParticipantDocument.verify(data[:cut], pinned)


@pytest.mark.parametrize(
    "change",
    [
        {"paillier_modulus": None},
        {"lattice_key_fingerprint": None},
        {"lattice_key_fingerprint": bytes(31)},
        {"paillier_modulus": 15},
        {"paillier_modulus": -MODULUS},
        {"paillier_modulus": 1 << 4096},
        {"role": Role.DEPARTMENT},
        {"title": ""},
        {"title": "a\nb"},
        {"participant_id": "Tax"},
        {"serial": 0},
        {"serial": 1 << 31},
        {"address": ""},
        {"certificate": b""},
        {"address": "https://bank.example"},
        {"address": "https://127.0.0.1:8443"},
        {"certificate": OTHER_CERTIFICATE},
        {"certificate": CERTIFICATE + b"\0"},
        {"node_key": OTHER_NODE_KEY},
        {"node_key": NODE_KEY[:-1]},
    ],
)
def test_a_document_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        replace(bank_document(), **change)


def test_the_bureau_has_an_address_and_no_node_key() -> None:
    bureau = ParticipantDocument(
        participant_id=ParticipantId("bureau"),
        role=Role.BUREAU,
        title="Bureau",
        identity=BUREAU.public,
        address=ADDRESS,
        certificate=CERTIFICATE,
    )
    assert ParticipantDocument.verify(bureau.sign(BUREAU), BUREAU.public.fingerprint()) == bureau
    with pytest.raises(MalformedMessage):
        replace(bureau, node_key=NODE_KEY)


@pytest.mark.parametrize(
    "change",
    [
        {"serial": True},
        {"serial": "7"},
        {"serial": 7.5},
        {"serial": None},
        {"serial": -1},
        {"address": 7},
        {"certificate": CERTIFICATE.hex().upper()},
        {"node_key": "0" + NODE_KEY.hex()},
        {"node_key": None},
        {"more": ""},
    ],
)
def test_a_signed_document_in_another_form_is_refused(change: dict[str, Any]) -> None:
    body, _ = split_document(bank_document().sign(BANK))
    fields = parse_canonical_json(body) | change
    with pytest.raises(MalformedMessage):
        ParticipantDocument.verify(sign_document(BANK, Label.PARTICIPANT_DOCUMENT, fields), BANK.public.fingerprint())
    without = {name: value for name, value in fields.items() if name not in change and name != "serial"}
    with pytest.raises(MalformedMessage):
        ParticipantDocument.verify(sign_document(BANK, Label.PARTICIPANT_DOCUMENT, without), BANK.public.fingerprint())


def test_a_bureaus_own_key_in_a_banks_place_works_without_pinning_and_is_refused_with_it() -> None:
    bureau = RelayingBureau()
    swapped = bureau.swap(bank_document().sign(BANK))

    weak = TrustingDepartment()
    assert bureau.open(weak.seal_partial(swapped, b"partial: -1.25")) == b"partial: -1.25"

    with pytest.raises(UntrustedKey):
        ParticipantDocument.verify(swapped, BANK.public.fingerprint())


def test_a_bureaus_paillier_key_in_a_banks_document_is_refused() -> None:
    data = bank_document().sign(BANK)
    other = data.replace(f"{MODULUS:x}".encode(), f"{MODULUS + 2:x}".encode())
    assert other != data
    with pytest.raises(SignatureInvalid):
        ParticipantDocument.verify(other, BANK.public.fingerprint())


@given(st.binary(max_size=400))
def test_whatever_a_document_is_made_of_only_our_error_escapes(data: bytes) -> None:
    with pytest.raises(YurongError):
        ParticipantDocument.verify(data, BANK.public.fingerprint())


@given(st.text(max_size=50))
def test_a_participant_id_is_canonical_or_refused(text: str) -> None:
    try:
        assert parse_participant_id(text) == text
    except MalformedMessage:
        return
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 1 <= len(text) <= 40


@given(st.text(max_size=210), st.text(max_size=42))
def test_a_document_with_any_names_comes_back_or_is_refused(title: str, name: str) -> None:
    try:
        document = ParticipantDocument(
            participant_id=ParticipantId(name or "a"), role=Role.BUREAU, title=title, identity=BUREAU.public
        )
    except MalformedMessage:
        return
    assert ParticipantDocument.verify(document.sign(BUREAU), BUREAU.public.fingerprint()) == document
