"""Signed documents over canonical bytes."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crypto.documents import canonical_json, sign_document, verify_document
from crypto.errors import MalformedMessage, PeerError, SignatureInvalid, YurongError
from crypto.identity import Identity, PublicIdentity
from crypto.labels import Label

SIGNER = Identity.generate()
LABEL = Label.SCORE_REQUEST

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=10) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def sign_text(text: bytes) -> bytes:
    """A document whose body is any text at all, properly signed."""
    return text + b"\n" + SIGNER.sign(LABEL, text).hex().encode() + b"\n"


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4))
def test_a_document_has_one_form_and_only_our_error_escapes(fields: dict[str, Any]) -> None:
    try:
        data = sign_document(SIGNER, LABEL, fields)
    except MalformedMessage:
        return
    read = verify_document(data, SIGNER.public, LABEL)
    assert sign_document(SIGNER, LABEL, read) == data


@given(st.binary(max_size=300))
def test_any_bytes_give_only_our_error(data: bytes) -> None:
    with pytest.raises(YurongError):
        verify_document(data, SIGNER.public, LABEL)


@given(st.binary(max_size=100) | st.text(max_size=60).map(str.encode))
def test_any_signed_bytes_are_canonical_or_refused(text: bytes) -> None:
    try:
        fields = verify_document(sign_text(text), SIGNER.public, LABEL)
    except PeerError:
        return
    assert canonical_json(fields) == text


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}',
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1.0}',
        b'{"a":1e0}',
        b'{"a":-0}',
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":9007199254740993}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\u0062"}',
        b'{"a":"\\ud800"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1}\r',
        b"[" * 50_000,
        b'{"a":' * 20_000,
        b"[]",
        b"",
    ],
)
def test_a_signed_text_that_is_not_canonical_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedMessage):
        verify_document(sign_text(text), SIGNER.public, LABEL)


def test_a_document_of_another_label_or_signer_is_refused() -> None:
    data = sign_document(SIGNER, LABEL, {"bank": "a"})
    with pytest.raises(SignatureInvalid):
        verify_document(data, SIGNER.public, Label.RUN_PLAN)
    with pytest.raises(SignatureInvalid):
        verify_document(data, Identity.generate().public, LABEL)


def test_a_signature_has_one_spelling() -> None:
    data = sign_document(SIGNER, LABEL, {"bank": "a"})
    body, signature, _ = data.split(b"\n")
    for wrong in (signature.upper(), signature[:-2] + b" a", signature + b"\n", signature[:-1]):
        with pytest.raises(MalformedMessage):
            verify_document(body + b"\n" + wrong + b"\n", SIGNER.public, LABEL)


def test_a_document_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(MalformedMessage, match="too long"):
        verify_document(b" " * 2_000_000, SIGNER.public, LABEL)


def reserialising_verify(data: bytes, signer: PublicIdentity) -> None:
    """The weakened verifier: parses first (the last of two keys wins), verifies what it serialises itself."""
    body, signature, _ = data.split(b"\n")
    signer.verify(LABEL, canonical_json(json.loads(body)), bytes.fromhex(signature.decode()))


def first_key_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def test_a_second_meaning_under_one_signature_passes_a_reserialising_verifier_and_not_ours() -> None:
    body, signature, _ = sign_document(SIGNER, LABEL, {"bank": "honest"}).split(b"\n")
    tampered_body = b'{"bank":"thief",' + body[1:]
    tampered = tampered_body + b"\n" + signature + b"\n"

    reserialising_verify(tampered, SIGNER.public)
    # ... and whoever reads those verified bytes with another parser acts for the thief.
    assert json.loads(tampered_body, object_pairs_hook=first_key_wins) == {"bank": "thief"}

    with pytest.raises(SignatureInvalid):
        verify_document(tampered, SIGNER.public, LABEL)


def test_a_document_replayed_for_another_purpose_passes_a_signature_without_labels_and_not_ours() -> None:
    fields = {"bank": "bank-a", "enterprises": "all"}
    unlabelled = Ed25519PrivateKey.generate()
    signature = unlabelled.sign(canonical_json(fields))
    # What was signed as a run's plan verifies just as well where a score request is expected.
    unlabelled.public_key().verify(signature, canonical_json(fields))

    plan = sign_document(SIGNER, Label.RUN_PLAN, fields)
    assert verify_document(plan, SIGNER.public, Label.RUN_PLAN) == fields
    with pytest.raises(SignatureInvalid):
        verify_document(plan, SIGNER.public, Label.SCORE_REQUEST)
