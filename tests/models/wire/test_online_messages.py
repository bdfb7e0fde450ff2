"""Wire messages of online scoring: one form each, and few bytes."""

from typing import Any

import pytest

from crypto.errors import MalformedMessage
from crypto.identifiers import ModelVersion, ParticipantId, RequestId
from crypto.identity import Identity
from crypto.sealed import OVERHEAD_BYTES
from models.wire.codec import WireMessage
from models.wire.consent import Computation, Purpose
from models.wire.log_view import LogExtension
from models.wire.online import (
    DepartmentAnswer,
    Offer,
    OfferRequest,
    ReadyReply,
    ReadyRequest,
    ReceiptReply,
    ReceiptRequest,
    RelayedRequest,
    ScoreAnswer,
    ScoreRequest,
)
from models.wire.reasons import Opener, SealedReasons
from models.wire.score_statement import ScoreStatement, bits_of, tree_of_boxes

EXTENSION = LogExtension(start=6, entries=(bytes(49), bytes(33)), documents=(), checkpoint=b"note")
REASONS = SealedReasons(opener=Opener.BANK, box=b"box")
MESSAGES: list[WireMessage] = [
    OfferRequest(model_version="0b" * 16),
    Offer(departments=("court", "tax", "water"), serials=(1, 2, 1), missing=("land",)),
    ScoreRequest(document=b"d", boxes=(b"box", b"another")),
    RelayedRequest(document=b"d", box=b"box", path=bytes(64), extension=EXTENSION, index=7, inclusion=bytes(96)),
    DepartmentAnswer(request=b"r" * 32, ciphertext=b"c" * 768, cosignature=bytes(72), reasons=(REASONS,)),
    ScoreAnswer(request=b"r" * 32, ciphertext=b"c" * 768, receipt=b"receipt", reasons=((REASONS,), ())),
    ReceiptRequest(request=b"r" * 32),
    ReceiptReply(receipt=b"receipt"),
    ReadyRequest(model_version="0b" * 16),
    ReadyReply(serial=3, ready=True),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_from_its_bytes_and_from_no_others(message: WireMessage) -> None:
    data = message.encode()
    assert type(message).decode(data) == message
    for other in (data[:-1], data + b"\0", b"", b"\xc0"):
        with pytest.raises(MalformedMessage):
            type(message).decode(other)


@pytest.mark.parametrize("serial", [0, -1, 1 << 31])
def test_a_serial_that_no_document_has_is_refused(serial: int) -> None:
    for message in (ReadyReply(serial=serial, ready=True), Offer(departments=("tax",), serials=(serial,), missing=())):
        with pytest.raises(MalformedMessage):
            type(message).decode(message.encode())


def test_a_score_among_26_departments_and_its_proofs_bring_less_than_90_kilobytes_through_the_bureau() -> None:
    names = [ParticipantId(f"department-{number:02d}") for number in range(26)]
    box = bytes(OVERHEAD_BYTES + 54)
    extension = LogExtension(start=10_000_000, entries=(bytes(33), bytes(49)), documents=(), checkpoint=bytes(190))
    tree = tree_of_boxes([box] * 26)
    statement = ScoreStatement(
        request_id=RequestId("0a" * 16),
        bank=ParticipantId("bank-of-jiangbei"),
        bank_serial=12,
        model_version=ModelVersion("0b" * 16),
        key_fingerprint=bytes(32),
        expires_at=1_800_000_000,
        bits=bits_of(names, names),
        serials=(1,) * 26,
        boxes=tree.root,
        purpose=Purpose.APPLICATION,
        computation=Computation.SCORE,
        use_tag=bytes(16),
    )
    proof: dict[str, Any] = {"extension": extension, "index": 10_000_001, "inclusion": bytes(24 * 32)}
    document, ciphertext = statement.sign(Identity.generate()), bytes(768)
    messages: list[WireMessage] = [
        OfferRequest(model_version="0b" * 16),
        Offer(departments=tuple(names), serials=(1,) * 26, missing=()),
        ScoreRequest(document=document, boxes=(box,) * 26),
        *(RelayedRequest(document=document, box=box, path=path, **proof) for path in tree.paths),
        *(DepartmentAnswer(request=bytes(32), ciphertext=ciphertext, cosignature=bytes(72), reasons=()) for _ in names),
        ScoreAnswer(request=bytes(32), ciphertext=ciphertext, receipt=bytes(4600), reasons=()),
    ]
    assert sum(len(message.encode()) for message in messages) < 90_000
