"""Wire messages of online scoring: one form each, and only our error for anything else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.documents import sign_document
from crypto.errors import MalformedMessage, SignatureInvalid, YurongError
from crypto.identifiers import ModelVersion, ParticipantId, RequestId
from crypto.identity import Identity
from crypto.labels import Label
from models.wire.codec import WireMessage
from models.wire.envelope import Addressed
from models.wire.online import (
    DepartmentAnswer,
    Offer,
    OfferRequest,
    RelayedRequest,
    ScoreAnswer,
    ScoreRequest,
    ScoreStatement,
    box_context,
    digest_of_boxes,
)

BANK = Identity.generate()
STATEMENT = ScoreStatement(
    request_id=RequestId("0a" * 16),
    bank=ParticipantId("bank"),
    model_version=ModelVersion("0b" * 16),
    key_fingerprint=b"k" * 32,
    expires_at=1_800_000_000,
    departments=(ParticipantId("court"), ParticipantId("tax"), ParticipantId("water")),
    boxes=digest_of_boxes([b"1" * 32, b"2" * 32, b"3" * 32]),
)
FIELDS: dict[str, Any] = {
    "bank": "bank",
    "boxes": STATEMENT.boxes.hex(),
    "departments": ["court", "tax", "water"],
    "expires_at": 1_800_000_000,
    "key_fingerprint": (b"k" * 32).hex(),
    "model_version": "0b" * 16,
    "request_id": "0a" * 16,
}
MESSAGES: list[WireMessage] = [
    OfferRequest(model_version="0b" * 16),
    Offer(departments=("court", "tax", "water"), missing=("land",)),
    ScoreRequest(
        bank="bank", model_version="0b" * 16, document=b"d", boxes=(Addressed(participant="tax", payload=b"box"),)
    ),
    RelayedRequest(bank="bank", model_version="0b" * 16, document=b"d", box=b"box", digests=(b"1" * 32,)),
    DepartmentAnswer(request=b"r" * 32, department="tax", ciphertext=b"c" * 768),
    ScoreAnswer(request=b"r" * 32, departments=("court",), missing=(), ciphertext=b"c" * 768),
]


def test_a_statement_is_this_document_and_comes_back_from_it() -> None:
    document = STATEMENT.sign(BANK)
    assert document == sign_document(BANK, Label.SCORE_REQUEST, FIELDS)
    assert ScoreStatement.verify(document, BANK.public) == STATEMENT


@pytest.mark.parametrize(
    "change",
    [
        {"bank": "Bank"},
        {"bank": 1},
        {"boxes": "00"},
        {"boxes": "0B" * 32},
        {"departments": ["tax", "court", "water"]},
        {"departments": ["court", "tax", "tax"]},
        {"departments": ["court", 7]},
        {"departments": {"court": "tax"}},
        {"expires_at": -1},
        {"expires_at": 1.5},
        {"expires_at": True},
        {"expires_at": 1 << 41},
        {"expires_at": "1800000000"},
        {"key_fingerprint": "00"},
        {"model_version": "../../models"},
        {"request_id": ""},
        {"request_id": "0A" * 16},
        {"more": 1},
    ],
)
def test_a_statement_that_makes_no_sense_is_refused_though_it_is_signed(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        ScoreStatement.verify(sign_document(BANK, Label.SCORE_REQUEST, FIELDS | change), BANK.public)


def test_a_statement_without_a_field_is_refused_though_it_is_signed() -> None:
    for name in FIELDS:
        fields = {key: value for key, value in FIELDS.items() if key != name}
        with pytest.raises(MalformedMessage):
            ScoreStatement.verify(sign_document(BANK, Label.SCORE_REQUEST, fields), BANK.public)


def test_a_statement_signed_by_another_or_for_another_use_is_refused() -> None:
    for document in (
        STATEMENT.sign(Identity.generate()),
        sign_document(BANK, Label.RUN_PLAN, FIELDS),
    ):
        with pytest.raises(SignatureInvalid):
            ScoreStatement.verify(document, BANK.public)


def test_boxes_of_different_requests_banks_models_and_departments_are_sealed_apart() -> None:
    parts = (STATEMENT.request_id, STATEMENT.bank, STATEMENT.model_version, ParticipantId("tax"))
    contexts = {box_context(*parts)}
    contexts.add(box_context(RequestId("0c" * 16), *parts[1:]))
    contexts.add(box_context(parts[0], ParticipantId("bank-2"), *parts[2:]))
    contexts.add(box_context(*parts[:2], ModelVersion("0d" * 16), parts[3]))
    contexts.add(box_context(*parts[:3], ParticipantId("court")))
    assert len(contexts) == 5


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_from_its_bytes_and_from_no_others(message: WireMessage) -> None:
    data = message.encode()
    assert type(message).decode(data) == message
    for other in (data[:-1], data + b"\0", b"", b"\xc0"):
        with pytest.raises(MalformedMessage):
            type(message).decode(other)


@given(st.binary(max_size=300))
def test_whatever_arrives_only_our_error_escapes(data: bytes) -> None:
    for message in MESSAGES:
        with pytest.raises(MalformedMessage):
            type(message).decode(data)
    with pytest.raises(YurongError):
        ScoreStatement.verify(data, BANK.public)
