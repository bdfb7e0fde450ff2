"""The recorder of traffic counts right, and tells protected bytes from readable ones."""

import numpy as np
import pytest

from crypto.identifiers import ParticipantId
from models.wire.binning import BlockShape, MaskedWords
from models.wire.envelope import post
from models.wire.setup import BlindedReply, MeetReply
from models.wire.steps import Step
from models.wire.training import GradientReply, Products
from simulations.report.inspection import Form, Inspector, count_enterprise_ids, entropy_bits
from simulations.report.traffic import Direction, Traffic, TrafficLog

ENTERPRISE = "91509932MAFTTM0H8W"


def shares_of(log: TrafficLog) -> dict[Form, int]:
    return {share.form: share.payload_bytes for share in log.traffic().inspection.shares}


def test_messages_and_bytes_are_counted_by_participant_kind_and_direction() -> None:
    log = TrafficLog()
    for _ in range(3):
        log("bureau", "tax", "gradient", b"x" * 10, 15)
        log("tax", "bureau", "gradient", b"y" * 100, 120)
    log("bank-1", "bureau", "open", b"z" * 7, 9)
    found = {
        (entry.party, entry.kind, entry.direction): (entry.messages, entry.payload_bytes, entry.serialised_bytes)
        for entry in log.traffic().entries
    }
    assert found == {
        ("tax", "gradient", Direction.RECEIVED): (3, 30, 45),
        ("tax", "gradient", Direction.SENT): (3, 300, 360),
        ("bank-1", "open", Direction.SENT): (1, 7, 9),
    }
    assert (log.traffic().messages, log.traffic().serialised_bytes) == (7, 414)


def test_entries_add_up_over_participants(traffic_log: TrafficLog) -> None:
    traffic = traffic_log.traffic()
    both = {entry.kind: entry for entry in traffic.of(["tax", "courts"], Direction.SENT)}
    assert set(both) == {Step.BIN_DEPARTMENT, Step.GRADIENT}
    assert both[Step.GRADIENT].messages == 2
    assert both[Step.GRADIENT].payload_bytes > 40_000
    everybody = ["tax", "courts", "bank-1"]
    received = sum(entry.payload_bytes for entry in traffic.of(everybody, Direction.SENT))
    assert received == traffic.inspection.payload_bytes


def test_nothing_recorded_is_an_empty_record() -> None:
    traffic = TrafficLog().traffic()
    assert isinstance(traffic, Traffic)
    assert (traffic.entries, traffic.inspection.shares, traffic.inspection.protected_share) == ((), (), 0.0)


def test_each_byte_counts_in_the_form_of_the_field_it_came_in() -> None:
    rng = np.random.default_rng(2)
    log = TrafficLog()
    products = Products(columns=5, ciphertexts=(rng.bytes(3000), rng.bytes(2000))).encode()
    log("tax", "bureau", "gradient", GradientReply(products=post({ParticipantId("b"): products})).encode(), 1)
    log("b", "bureau", "bin-bank", MaskedWords(words=rng.bytes(800)).encode(), 1)
    sealed = post({ParticipantId("c"): rng.bytes(70)})
    log("b", "bureau", "meet", MeetReply(blinded=rng.bytes(320), group_keys=sealed).encode(), 1)
    log("tax", "bureau", "answer-blinded", BlindedReply(answers=post({ParticipantId("b"): rng.bytes(640)})).encode(), 1)
    shares = shares_of(log)
    assert shares.pop(Form.READABLE) > 0
    assert shares == {Form.BLINDED: 320, Form.SEALED: 710, Form.MASKED: 800, Form.ENCRYPTED: 5000}


@pytest.mark.parametrize("payload", [b"", b"MaskContextReused", b"\x81\xa1a", bytes(range(256)), b"\x81" * 5000])
def test_what_is_no_message_of_ours_counts_as_readable(payload: bytes) -> None:
    log = TrafficLog()
    log("tax", "bureau", "gradient", payload, len(payload))
    assert shares_of(log) == ({Form.READABLE: len(payload)} if payload else {})


def test_a_field_that_nobody_vouches_for_counts_as_readable() -> None:
    inspector = Inspector()
    inspector.look(b"\x81\xa8features\xc4\x40" + b"\x07" * 64)
    (share,) = inspector.inspection().shares
    assert share.form is Form.READABLE


def test_a_column_sent_in_the_clear_shows_in_the_entropy() -> None:
    rng = np.random.default_rng(4)
    words = rng.integers(0, 1 << 63, 20_000, dtype=np.uint64)
    masked, clear = TrafficLog(), TrafficLog()
    masked("b", "bureau", "evaluate", MaskedWords(words=words.tobytes()).encode(), 1)
    clear("b", "bureau", "evaluate", MaskedWords(words=(words % np.uint64(50)).tobytes()).encode(), 1)

    def entropy(log: TrafficLog) -> float:
        return next(s.entropy_bits for s in log.traffic().inspection.shares if s.form is Form.MASKED)

    assert entropy(masked) > 7.99
    assert entropy(clear) < 2


def test_words_masked_below_a_smaller_modulus_still_look_uniform() -> None:
    words = np.random.default_rng(6).integers(0, 1 << 50, 20_000, dtype=np.uint64)
    inspector = Inspector()
    inspector.look(MaskedWords(words=words.tobytes()).encode())
    (masked,) = [share for share in inspector.inspection().shares if share.form is Form.MASKED]
    assert masked.entropy_bits > 7.99


def test_entropy_is_8_for_uniform_bytes_and_0_for_one_value() -> None:
    assert entropy_bits(np.full(256, 1000)) == pytest.approx(8.0)
    assert entropy_bits(np.bincount([7] * 50, minlength=256)) == 0
    assert entropy_bits(np.zeros(256, dtype=np.int64)) == 0


@pytest.mark.parametrize("text", [ENTERPRISE, f"XX{ENTERPRISE}7", f'{{"id":"{ENTERPRISE}"}}'])
def test_an_enterprise_id_is_found_wherever_it_stands(text: str) -> None:
    assert count_enterprise_ids(text.encode()) == 1


def test_enterprise_ids_side_by_side_are_all_found_and_others_are_not() -> None:
    assert count_enterprise_ids((ENTERPRISE * 3).encode()) == 3
    assert count_enterprise_ids((ENTERPRISE[:-1] + "7").encode()) == 0
    assert count_enterprise_ids(np.random.default_rng(8).bytes(200_000)) == 0


def test_an_enterprise_id_in_a_message_is_found() -> None:
    log = TrafficLog()
    log("b", "bureau", "meet", BlockShape(parameters=3, entry_bits=0).encode(), 1)
    assert log.traffic().inspection.enterprise_ids_found == 0
    log("b", "bureau", "meet", MeetReply(blinded=ENTERPRISE.encode(), group_keys=()).encode(), 1)
    assert log.traffic().inspection.enterprise_ids_found == 1
