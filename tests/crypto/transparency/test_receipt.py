"""Checkpoints, cosignatures and receipts: what they say, who must say it, and every way to lie about it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage, PeerError, SignatureInvalid
from crypto.merkle import MerkleTree, leaf_digest
from crypto.transparency.checkpoint import Checkpoint, signed_checkpoint
from crypto.transparency.cosignature import cosign, cosigned_at, require_quorum
from crypto.transparency.errors import NotIncluded, TooFewWitnesses
from crypto.transparency.note import KeyUse, Note, NoteKey, NoteSignature
from crypto.transparency.receipt import Receipt, TrustedLog

ORIGIN, AT = "example.com/behind-the-sofa", 1_679_315_147
ENTRIES = [f"entry {number}".encode() for number in range(13)]
# The example of C2SP tlog-checkpoint and tlog-cosignature.
PUBLISHED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
).encode()


class Signer:
    """A private key and what others know of it."""

    def __init__(self, name: str, use: KeyUse) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.key = NoteKey(name, use, self.private.public_key().public_bytes_raw())

    def sign(self, text: bytes) -> NoteSignature:
        """Its line as a log."""
        return NoteSignature(self.key.name, self.key.key_id, self.private.sign(text))

    def cosign(self, text: bytes, at: int = AT) -> NoteSignature:
        """Its line as a witness."""
        return cosign(text, self.key, self.private.sign, at=at)


LOG = Signer(ORIGIN, KeyUse.TEXT)
WITNESSES = tuple(Signer(name, KeyUse.COSIGNATURE) for name in ("courts", "social", "tax"))
TREE = MerkleTree.of([leaf_digest(entry) for entry in ENTRIES])
TRUSTED = TrustedLog(log_keys=(LOG.key,), witnesses=tuple(one.key for one in WITNESSES), quorum=2)


def cosigned(checkpoint: Checkpoint, witnesses: tuple[Signer, ...] = WITNESSES[:2], log: Signer = LOG) -> Note:
    text = checkpoint.encode()
    return Note(text, (log.sign(text), *(one.cosign(text) for one in witnesses)))


def receipt(index: int = 5) -> Receipt:
    path = tuple(TREE.paths[index][at : at + 32] for at in range(0, len(TREE.paths[index]), 32))
    return Receipt(index=index, path=path, note=cosigned(Checkpoint(ORIGIN, len(ENTRIES), TREE.root)))


def test_the_published_example_is_read_and_written_to_the_byte() -> None:
    note = Note.decode(PUBLISHED)
    checkpoint = Checkpoint.decode(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.encode() == note.text
    assert note.encode() == PUBLISHED
    assert int.from_bytes(note.signatures[1].data[:8], "big") == AT


def test_a_cosignature_is_over_the_time_and_the_text_as_the_specification_has_it() -> None:
    text = Note.decode(PUBLISHED).text
    line = WITNESSES[0].cosign(text)
    message = b"cosignature/v1\ntime 1679315147\n" + text
    assert line.data == AT.to_bytes(8, "big") + WITNESSES[0].private.sign(message)
    assert cosigned_at(Note(text, (line,)), WITNESSES[0].key) == AT


@pytest.mark.parametrize("index", range(len(ENTRIES)))
def test_a_receipt_shows_its_entry_and_no_other(index: int) -> None:
    made = receipt(index)
    assert made.verify(ENTRIES[index], TRUSTED).size == len(ENTRIES)
    assert Receipt.decode(made.encode()) == made
    for other in {*ENTRIES, b"", b"entry"} - {ENTRIES[index]}:
        with pytest.raises(NotIncluded):
            made.verify(other, TRUSTED)


def test_a_receipt_for_another_place_is_refused() -> None:
    for index in (4, 6, 12, 13, 1 << 61):
        with pytest.raises(PeerError):
            replace(receipt(5), index=index).verify(ENTRIES[5], TRUSTED)


def test_a_log_that_is_not_the_known_one_is_refused() -> None:
    checkpoint = Checkpoint(ORIGIN, len(ENTRIES), TREE.root)
    forger, elsewhere = Signer(ORIGIN, KeyUse.TEXT), Signer("example.com/other", KeyUse.TEXT)
    notes = [
        cosigned(checkpoint, log=forger),
        cosigned(replace(checkpoint, origin="example.com/other")),
        cosigned(replace(checkpoint, origin="example.com/other"), log=elsewhere),
        Note(checkpoint.encode(), tuple(one.cosign(checkpoint.encode()) for one in WITNESSES)),
    ]
    for note in notes:
        with pytest.raises(SignatureInvalid):
            signed_checkpoint(note, [LOG.key])


def test_a_line_of_a_known_key_that_is_wrong_spoils_the_note_and_one_of_an_unknown_key_says_nothing() -> None:
    text = Checkpoint(ORIGIN, len(ENTRIES), TREE.root).encode()
    unknown = Signer("somebody", KeyUse.COSIGNATURE)
    note = cosigned(Checkpoint.decode(text))
    assert require_quorum(note.with_signatures([unknown.cosign(text)]), TRUSTED.witnesses, 2) == ("courts", "social")
    wrong = replace(WITNESSES[2].cosign(text), data=WITNESSES[2].cosign(text + b"x\n").data)
    with pytest.raises(SignatureInvalid):
        require_quorum(note.with_signatures([wrong]), TRUSTED.witnesses, 2)
    with pytest.raises(SignatureInvalid):
        signed_checkpoint(note.with_signatures([replace(LOG.sign(text), data=bytes(64))]), [LOG.key])
    for data in (bytes(8), b"\xff" * 72):
        with pytest.raises(SignatureInvalid):
            cosigned_at(Note(text, (replace(wrong, data=data),)), WITNESSES[2].key)


def test_a_witness_counts_once_however_often_and_with_however_many_keys_it_signs() -> None:
    text = Checkpoint(ORIGIN, len(ENTRIES), TREE.root).encode()
    again = Signer("courts", KeyUse.COSIGNATURE)
    lines = (LOG.sign(text), WITNESSES[0].cosign(text), WITNESSES[0].cosign(text, AT + 1), again.cosign(text))
    with pytest.raises(TooFewWitnesses):
        require_quorum(Note(text, lines), [*TRUSTED.witnesses, again.key], 2)
    assert cosigned_at(Note(text, lines), WITNESSES[0].key) == AT + 1


def test_a_log_s_own_signature_is_no_cosignature_and_the_other_way_round() -> None:
    text = Checkpoint(ORIGIN, len(ENTRIES), TREE.root).encode()
    both = NoteKey(ORIGIN, KeyUse.COSIGNATURE, LOG.key.public)
    with pytest.raises(TooFewWitnesses):
        require_quorum(Note(text, (LOG.sign(text),)), [both, LOG.key], 1)
    line = cosign(text, both, LOG.private.sign, at=AT)
    with pytest.raises(SignatureInvalid, match="not signed by its log"):
        signed_checkpoint(Note(text, (line,)), [LOG.key, both])


def test_a_quorum_of_nobody_is_none() -> None:
    with pytest.raises(MalformedMessage):
        require_quorum(receipt().note, TRUSTED.witnesses, 0)
    with pytest.raises(TooFewWitnesses):
        receipt().verify(ENTRIES[5], replace(TRUSTED, quorum=3))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *((b"\n13\n", b"\n013\n"), (b"\n13\n", b"\n+13\n"), (b"\n13\n", b"\n13 \n"), (b"\n13\n", b"\n1_3\n")),
        *((b"\n13\n", b"\n99999999999999999999\n"), (b"\n13\n", b"\n13\nmore\n"), (b"\n13\n", b"\n\xd9\xa1\n")),
        *((b"proof@v1", b"proof@v2"), (b"index 5", b"index 05"), (b"index 5", b"extra YQ==\nindex 5")),
        *((b"index 5\n", b"index 5\nYQ==\n"), (b"index 5", b"index"), (b"index 5", b"index -1")),
    ],
)
def test_a_receipt_in_another_form_is_refused(old: bytes, new: bytes) -> None:
    data = receipt().encode()
    assert old in data
    with pytest.raises(MalformedMessage):
        Checkpoint.decode(Receipt.decode(data.replace(old, new, 1)).note.text)


@given(st.binary(max_size=400), st.integers(0, 2000))
def test_only_our_errors_come_of_a_receipt_that_was_changed(junk: bytes, at: int) -> None:
    data = receipt().encode()
    changed = data[: at % len(data)] + junk + data[at % len(data) + len(junk) :]
    with suppress(PeerError):
        found = Receipt.decode(changed)
        found.verify(ENTRIES[5], TRUSTED)
        assert found.path == receipt().path
        assert found.encode() == changed
