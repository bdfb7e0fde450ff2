"""What a bank signs: one form, bound to its set, its boxes and its documents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.documents import sign_document
from crypto.errors import MalformedMessage, PeerError, SignatureInvalid, YurongError
from crypto.identifiers import ModelVersion, ParticipantId, RequestId
from crypto.identity import Identity
from crypto.labels import Label
from models.wire.consent import Computation, Purpose
from models.wire.score_statement import ScoreStatement, SignedStatement, bits_of, box_context, tree_of_boxes

BANK = Identity.generate()
STATEMENT = ScoreStatement(
    request_id=RequestId("0a" * 16),
    bank=ParticipantId("bank"),
    bank_serial=2,
    model_version=ModelVersion("0b" * 16),
    key_fingerprint=b"k" * 32,
    expires_at=1_800_000_000,
    bits=0b10110,
    serials=(1, 3, 1),
    boxes=tree_of_boxes([b"1", b"2", b"3"]).root,
    purpose=Purpose.MONITORING,
    computation=Computation.SCORE_WITH_REASONS,
    use_tag=b"t" * 16,
    follows=b"f" * 32,
)
FIELDS: dict[str, Any] = {
    "bank": "bank",
    "bank_serial": 2,
    "boxes": STATEMENT.boxes.hex(),
    "computation": "score-with-reasons",
    "departments": "16",
    "expires_at": 1_800_000_000,
    "follows": (b"f" * 32).hex(),
    "key_fingerprint": (b"k" * 32).hex(),
    "model_version": "0b" * 16,
    "purpose": "monitoring",
    "request_id": "0a" * 16,
    "serials": [1, 3, 1],
    "use_tag": (b"t" * 16).hex(),
}
MODEL = tuple(ParticipantId(name) for name in ("air", "court", "fire", "land", "tax", "water"))


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
        {"computation": "scores"},
        {"purpose": "training"},
        {"purpose": None},
        {"use_tag": "00"},
        {"follows": "00"},
        {"follows": None},
        {"bank_serial": 0},
        {"bank_serial": True},
        {"departments": ["court", "tax", "water"]},
        {"departments": "016"},
        {"departments": "1E"},
        {"departments": "0x16"},
        {"departments": "0"},
        {"departments": ""},
        {"departments": "1" + "0" * 64},
        {"departments": "17"},
        {"serials": [1, 3]},
        {"serials": [1, 3, 1, 1]},
        {"serials": [1, 3, 0]},
        {"serials": [1, 3, "1"]},
        {"serials": [1, 3, 1 << 31]},
        {"serials": {"1": 1, "2": 3, "3": 1}},
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


def test_bits_stand_for_departments_of_the_model_by_their_place() -> None:
    members = (MODEL[1], MODEL[2], MODEL[4])
    assert STATEMENT.departments(MODEL) == members
    assert bits_of(members, MODEL) == STATEMENT.bits
    with pytest.raises(PeerError, match="not this model's"):
        STATEMENT.departments(MODEL[:4])
    with pytest.raises(PeerError, match="not this model's"):
        bits_of([ParticipantId("stranger")], MODEL)


def test_a_box_is_held_at_its_place_only() -> None:
    boxes = [b"1", b"2", b"3"]
    for place, (box, path) in enumerate(zip(boxes, tree_of_boxes(boxes).paths, strict=True)):
        assert STATEMENT.holds_box(box, place, path)
        assert not STATEMENT.holds_box(b"4", place, path)
        assert not STATEMENT.holds_box(box, (place + 1) % 2, tree_of_boxes(boxes).paths[(place + 1) % 2])


@given(st.binary(max_size=300))
def test_whatever_arrives_only_our_error_escapes(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        SignedStatement.read(data)
    with pytest.raises(YurongError):
        ScoreStatement.verify(data, BANK.public)
