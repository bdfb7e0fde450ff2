"""Notes: the vector of Go's sumdb, forms that are refused, and keys that count."""

from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage, SignatureInvalid
from crypto.transparency.note import KeyUse, Note, NoteKey, NoteSignature, decode_base64, decode_signatures

# golang.org/x/mod/sumdb/note, the example in its documentation.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
NOTE = TEXT + b"\n" + LINE.encode()
# The example of C2SP signed-note, whose text has a blank line in it.
SONNET = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
).encode()


def test_a_note_of_go_s_checksum_database_is_read_verified_and_written_to_the_byte() -> None:
    key, note = NoteKey.decode(PETER), Note.decode(NOTE)
    assert (key.name, key.key_id.hex(), key.encode()) == ("PeterNeumann", "c74f20a3", PETER)
    (line,) = note.signatures
    assert line.is_of(key)
    key.verify(note.text, line.data)
    assert note.encode() == NOTE
    private = Ed25519PrivateKey.from_private_bytes(decode_base64(PETER_SEED)[1:])
    assert NoteSignature(key.name, key.key_id, private.sign(TEXT)).line() == LINE


def test_the_last_blank_line_ends_the_text() -> None:
    note = Note.decode(SONNET)
    assert note.text.decode().splitlines()[-2:] == ["", "ed è subito sera."]
    assert note.encode() == SONNET


def test_a_signature_of_another_text_or_key_is_refused() -> None:
    key, (line,) = NoteKey.decode(PETER), Note.decode(NOTE).signatures
    other = NoteKey("PeterNeumann", KeyUse.TEXT, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    for wrong, text, data in ((key, TEXT + b"\n", line.data), (key, TEXT, line.data[:-1]), (other, TEXT, line.data)):
        with pytest.raises(SignatureInvalid):
            wrong.verify(text, data)


def test_a_key_of_another_use_has_another_id() -> None:
    key = NoteKey.decode(PETER)
    assert NoteKey(key.name, KeyUse.COSIGNATURE, key.public).key_id != key.key_id


def test_a_published_key_of_a_witness_is_read_and_written_to_the_byte() -> None:
    word = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    key = NoteKey.decode(word)
    assert (key.name, key.use, key.encode()) == ("remora.n621.de", KeyUse.COSIGNATURE, word)


@pytest.mark.parametrize(
    "data",
    {
        "nothing": b"",
        "no signature": TEXT + b"\n",
        "no blank line": TEXT + LINE.encode(),
        "no text": b"\n" + LINE.encode(),
        "no end": NOTE[:-1],
        "a tab": NOTE.replace(b"If ", b"If\t"),
        "a carriage return": NOTE.replace(b",\n", b",\r\n"),
        "no text of UTF-8": NOTE.replace(b"If", b"\xff\xfe"),
        "a hyphen for the dash": NOTE.replace("—".encode(), b"-"),
        "two blanks": NOTE.replace(b"PeterNeumann ", b"PeterNeumann  "),
        "a name with a plus": NOTE.replace(b"PeterNeumann", b"Peter+Neumann"),
        "no name": NOTE.replace(b"PeterNeumann ", b" "),
        "base64 in another form": NOTE.replace(b"nAM=", b"nAN="),
        "base64 without its end": NOTE.replace(b"nAM=", b"nAM"),
        "a signature of four bytes": TEXT + b"\n" + "— p x08gow==\n".encode(),
        "too long": TEXT * 1000 + b"\n" + LINE.encode(),
        "too many signatures": TEXT + b"\n" + LINE.encode() * 301,
    }.items(),
    ids=lambda pair: pair[0],
)
def test_what_is_not_a_note_in_its_one_form_is_refused(data: tuple[str, bytes]) -> None:
    with pytest.raises(MalformedMessage):
        Note.decode(data[1])


@pytest.mark.parametrize(
    "word",
    [
        *("", "PeterNeumann", PETER[:-1], PETER.replace("c74f20a3", "c74f20a4"), PETER.replace("c74f20a3", "C74F20A3")),
        *(PETER.replace("+AR", "+Ax"), PETER + "+x", " " + PETER),
    ],
)
def test_a_word_that_is_no_key_is_refused(word: str) -> None:
    with pytest.raises(MalformedMessage):
        NoteKey.decode(word)


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: TEXT + b"\n" + text.encode()))
def test_only_our_error_comes_of_any_bytes_and_a_note_that_is_read_is_written_the_same(data: bytes) -> None:
    with suppress(MalformedMessage):
        assert Note.decode(data).encode() == data
    with suppress(MalformedMessage):
        assert "".join(line.line() for line in decode_signatures(data)).encode() == data
    with suppress(MalformedMessage):
        word = data.decode(errors="replace")
        assert NoteKey.decode(word).encode() == word
