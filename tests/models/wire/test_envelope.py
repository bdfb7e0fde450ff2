"""An envelope opens at the place it was signed for and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crypto.errors import PeerError, SignatureInvalid
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from models.wire.envelope import Envelope, Place, post

PLACE = Place(
    run_id="run-1",
    plan_digest=bytes(32),
    round=2,
    attempt=7,
    turn=bytes(32),
    step="open",
    sender="bank-1",
    recipients=("tax",),
)
BANK = Identity.generate()


def test_an_envelope_opens_where_it_was_meant_to() -> None:
    envelope = Envelope.sign(BANK, PLACE, b"words")
    assert Envelope.decode(envelope.encode()).open(BANK.public, PLACE) == b"words"


@pytest.mark.parametrize(
    "changes",
    [
        {"run_id": "run-2"},
        {"plan_digest": bytes([1]) * 32},
        {"round": 3},
        {"attempt": 8},
        {"turn": bytes([1]) * 32},
        {"step": "search"},
        {"sender": "bank-2"},
        {"recipients": ("courts",)},
        {"recipients": ("courts", "tax")},
    ],
)
def test_an_envelope_opens_at_no_other_place(changes: dict[str, object]) -> None:
    envelope, elsewhere = Envelope.sign(BANK, PLACE, b"words"), replace(PLACE, **changes)  # type: ignore[arg-type]
    with pytest.raises(PeerError):
        envelope.open(BANK.public, elsewhere)
    # Who writes another place onto it breaks the signature.
    with pytest.raises(SignatureInvalid):
        replace(envelope, place=elsewhere).open(BANK.public, elsewhere)


def test_another_body_or_another_signer_is_refused() -> None:
    envelope = Envelope.sign(BANK, PLACE, b"words")
    with pytest.raises(SignatureInvalid):
        replace(envelope, body=b"other").open(BANK.public, PLACE)
    with pytest.raises(SignatureInvalid):
        Envelope.sign(Identity.generate(), PLACE, b"words").open(BANK.public, PLACE)


def test_post_is_in_the_order_of_names() -> None:
    letters = post({ParticipantId("tax"): b"2", ParticipantId("courts"): b"1"})
    assert [letter.participant for letter in letters] == ["courts", "tax"]
