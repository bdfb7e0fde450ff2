"""A receipt is verified step by step, and the step that fails is named."""

from dataclasses import replace

import pytest

from crypto.identifiers import ParticipantId
from crypto.transparency.note import KeyUse, NoteKey, NoteSignature
from crypto.transparency.receipt import Receipt
from models.log.errors import ReceiptRefused
from models.log.receipts import STEPS, prove
from models.wire.log_entry import EntryKind, LogEntry
from simulations.witnessed_log import SEEN_AT, WitnessedLog

DEPARTMENTS = tuple(map(ParticipantId, ("court", "customs", "tax")))


def drawn() -> WitnessedLog:
    log = WitnessedLog(DEPARTMENTS)
    for number in range(300):
        log.append(LogEntry(kind=EntryKind.CONSENT, digest=number.to_bytes(32, "big")))
    return log


LOG = drawn()
ENTRY = LOG.entries[257]
RECEIPT = LOG.receipt(257)


def failing(data: bytes, entry: LogEntry = ENTRY) -> int:
    """The number of the step that fails."""
    with pytest.raises(ReceiptRefused) as caught:
        prove(data, entry, LOG.trusted)
    number = int(caught.value.step.split()[1])
    assert caught.value.step == f"step {number} of 5, {STEPS[number - 1]}"
    assert caught.value.message.startswith(caught.value.step)
    return number


def test_a_receipt_says_where_the_entry_is_and_who_has_seen_it() -> None:
    proven = prove(RECEIPT.encode(), ENTRY, LOG.trusted)
    assert (proven.index, proven.checkpoint.size) == (257, 300)
    assert proven.witnesses == {f"yurong.witness/{name}": SEEN_AT for name in DEPARTMENTS}


def test_each_step_fails_by_its_number() -> None:
    data = RECEIPT.encode()
    other = drawn()  # another bureau's keys, another's witnesses
    assert failing(data[:-1]) == 1
    assert failing(data.replace(b"index 257", b"index 0257")) == 1
    assert failing(other.receipt(257).encode()) == 2
    assert failing(LOG.receipt(257, DEPARTMENTS[:1]).encode()) == 3
    forged = replace(other, bureau=LOG.bureau)
    forged.entries, forged.documents = LOG.entries, {}
    assert failing(forged.receipt(257).encode()) == 3
    assert failing(replace(RECEIPT, index=300).encode()) == 4
    assert failing(replace(RECEIPT, index=256).encode()) == 5
    assert failing(replace(RECEIPT, path=RECEIPT.path[:-1]).encode()) == 5
    assert failing(replace(RECEIPT, path=(bytes(32), *RECEIPT.path[1:])).encode()) == 5
    assert failing(data, LOG.entries[0]) == 5
    assert failing(data, replace(ENTRY, kind=EntryKind.ANSWER)) == 5


def test_a_wrong_line_of_a_known_witness_is_not_passed_over() -> None:
    key = LOG.trusted.witnesses[0]
    assert key == NoteKey(key.name, KeyUse.COSIGNATURE, key.public)
    wrong = RECEIPT.note.with_signatures([NoteSignature(key.name, key.key_id, bytes(72))])
    assert failing(Receipt(index=257, path=RECEIPT.path, note=wrong).encode()) == 3
