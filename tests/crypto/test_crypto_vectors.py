"""Fixed vectors of our own: bytes that parties of different versions must agree on, made by version 0.1.0.

A change here is a change of protocol: it takes a new label, not a new vector.
"""

import hashlib

import numpy as np

from crypto.alignment import AlignmentBank, AlignmentDepartment
from crypto.fixed_point import to_fixed_point
from crypto.identifiers import EnterpriseId, ParticipantId, Role, RunId
from crypto.identity import Identity, ParticipantDocument
from crypto.labels import Label, labelled
from crypto.masks import GroupPad, MaskContext, MemoryLedger, PairwiseSecrets
from crypto.paillier import BankPaillierKey
from crypto.sealed import unseal

FIRST = Identity.from_private_bytes(bytes(range(64)))
SECOND = Identity.from_private_bytes(bytes(range(64, 128)))
CONTEXT = MaskContext(
    run_id=RunId("run-1"),
    plan_digest=bytes(range(32)),
    round=3,
    attempt=1,
    purpose="image",
    direction="departments-to-bank",
    members=(ParticipantId("bank-a"), ParticipantId("tax")),
)


def test_the_framing_of_labels() -> None:
    framed = labelled(Label.MASK, b"", b"ab")
    assert framed == b"yurong/1/derive/pairwise-mask\0" + bytes(8) + bytes(7) + b"\x02ab"


def test_the_fingerprint_of_an_identity() -> None:
    assert FIRST.public.fingerprint().hex() == "beca2871757474b757e028fd59baad5321f8dcf3c8d142a8eea620b746d8e005"


def test_a_participants_document() -> None:
    document = ParticipantDocument(
        participant_id=ParticipantId("tax"), role=Role.DEPARTMENT, title="税务局", identity=FIRST.public
    )
    assert (
        hashlib.sha256(document.sign(FIRST)).hexdigest()
        == "8a397d45c58613234b4063c048cc61c567aeaa726ac35922721594f387c34315"
    )


def test_a_sealed_box() -> None:
    sealed = bytes.fromhex(
        "9f4bd63ddef5bf1527e97b47aaadeaeced90b2d2fe9f3a19d3744f063"
        "e25a324a99eb204345c0f5b1cb5140b6a76ea101dab66a640ed10c4dd"
    )
    assert unseal(FIRST, sealed, label=Label.SEALED_COHORT, context=b"context") == b"plaintext"


def test_a_masks_first_words() -> None:
    assert CONTEXT.digest().hex() == "66a3064982aad5297ee514bfdeb0dc803451775199a5f8bc39159af77df1e25d"

    def mask(length: int) -> list[int]:
        peers = {ParticipantId("tax"): SECOND.public}
        words: list[int] = (
            PairwiseSecrets(FIRST, ParticipantId("bank-a"), peers, MemoryLedger())
            .zero_sum_mask(CONTEXT, length)
            .tolist()
        )
        return words

    assert mask(2) == mask(4)[:2] == [9559901539881489299, 75110854728240167]
    assert mask(5)[:2] == [6505846091971853436, 2312664583445461784]
    assert GroupPad(bytes(range(32))).pad(CONTEXT, 2).tolist() == [16499765000316803695, 5038067247444839040]
    assert to_fixed_point(np.array([-0.75]), 40).tolist() == [2**64 - 3 * 2**38]


def test_the_fingerprint_of_a_paillier_key() -> None:
    # The two smallest primes above 3/4 of 2^1536: a key for this test alone.
    p, q = (3 * 2**1534 + offset for offset in (1837, 2617))
    assert (
        BankPaillierKey(p, q).public.fingerprint().hex()
        == "eeceae465683cfb5239f8457396f118ba5c74c1447e3eb9a2a6e6862212ceeec"
    )


def test_a_tag_of_the_alignment() -> None:
    key = (8 * (2**251 + 12345)).to_bytes(32, "little")
    enterprise = EnterpriseId("91500000MA5U7X9K3D")
    tag = AlignmentDepartment(key).tags([enterprise])
    assert tag.hex() == "bc6703610ec00e9e5da756b14288566c"
    bank = AlignmentBank([enterprise])
    assert bank.tags(AlignmentDepartment(key).evaluate(bank.blind())) == tag
