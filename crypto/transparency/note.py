"""A text under signatures: C2SP signed-note, with Ed25519.

    example.com/behind-the-sofa
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/…

A signature line has the name of a key and, in base64, four bytes that identify it and the signature. Lines of keys that
one does not know say nothing; one of a key that one knows must be right.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from crypto.errors import MalformedMessage, SignatureInvalid

MAXIMUM_NOTE_BYTES: Final = 1 << 16
MAXIMUM_SIGNATURES: Final = 300
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 4
_LINE: Final = re.compile(r"— (\S+) (\S+)")
_VERIFIER: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)")


class KeyUse(IntEnum):
    """What a key signs: the signature types of the specification."""

    TEXT = 0x01  # the text itself
    COSIGNATURE = 0x04  # what tlog-cosignature makes of it


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key that texts are verified with: its name, what it signs, and 32 bytes of Ed25519."""

    name: str
    use: KeyUse
    public: bytes

    def __post_init__(self) -> None:
        if len(self.public) != _KEY_BYTES:
            raise MalformedMessage("a key of a note is 32 bytes")
        check_name(self.name)

    @property
    def key_id(self) -> bytes:
        """The four bytes in its signatures' lines."""
        named = self.name.encode() + b"\n" + bytes([self.use]) + self.public
        return hashlib.sha256(named).digest()[:_ID_BYTES]

    def encode(self) -> str:
        """The key as one word, `name+id+key`."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.use]) + self.public)}"

    @classmethod
    def decode(cls, word: str) -> NoteKey:
        """What `encode` gave; raises `MalformedMessage`."""
        found = _VERIFIER.fullmatch(word)
        if found is None:
            raise MalformedMessage("a key of a note is name+id+key")
        data = decode_base64(found[3])
        if len(data) != 1 + _KEY_BYTES or data[0] not in tuple(KeyUse):
            raise MalformedMessage("a key of a note is of a kind that is not known here")
        key = cls(found[1], KeyUse(data[0]), data[1:])
        if key.key_id.hex() != found[2]:
            raise MalformedMessage("a key of a note is not the one of its id")
        return key

    def verify(self, message: bytes, signature: bytes) -> None:
        """Raise `SignatureInvalid` unless this key signed the message."""
        with suppress(BadSignatureError, ValueError):
            crypto_sign_open(signature + message, self.public)
            return
        raise SignatureInvalid("a note is not signed by the key that it names")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One line below a text: whose, and the signature, which its kind of key reads."""

    name: str
    key_id: bytes
    data: bytes

    def line(self) -> str:
        """The line, with its end."""
        return f"— {self.name} {encode_base64(self.key_id + self.data)}\n"

    def is_of(self, key: NoteKey) -> bool:
        """Whether the line names this key; nothing is verified."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a line break, and the signatures below it. Reading it verifies none of them."""

    text: bytes
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        """The note as it is sent."""
        return self.text + b"\n" + "".join(one.line() for one in self.signatures).encode()

    @classmethod
    def decode(cls, data: bytes) -> Note:
        """The note in these bytes; raises `MalformedMessage` unless they are the one form of one."""
        if len(data) > MAXIMUM_NOTE_BYTES:
            raise MalformedMessage("a note is too long")
        text, blank, lines = data.rpartition(b"\n\n")
        if not blank or not lines:
            raise MalformedMessage("a note has a blank line, and signatures below it")
        _check_characters(data)
        note = cls(text + b"\n", decode_signatures(lines))
        if note.encode() != data:
            raise MalformedMessage("a note is not in its one form")
        return note

    def with_signatures(self, signatures: Iterable[NoteSignature]) -> Note:
        """The same text with these as well."""
        return Note(self.text, (*self.signatures, *signatures))


def decode_signatures(lines: bytes) -> tuple[NoteSignature, ...]:
    """The signatures in lines such as stand below a text; raises `MalformedMessage`."""
    _check_characters(lines)
    if not lines.endswith(b"\n"):
        raise MalformedMessage("a signature of a note is a line")
    words = lines.decode()[:-1].split("\n")
    if len(words) > MAXIMUM_SIGNATURES:
        raise MalformedMessage("a note has too many signatures")
    return tuple(map(_signature, words))


def _signature(line: str) -> NoteSignature:
    found = _LINE.fullmatch(line)
    if found is None:
        raise MalformedMessage("a signature of a note is a dash, a name and base64")
    check_name(found[1])
    data = decode_base64(found[2])
    if len(data) <= _ID_BYTES:
        raise MalformedMessage("a signature of a note is too short")
    return NoteSignature(found[1], data[:_ID_BYTES], data[_ID_BYTES:])


def check_name(name: str) -> None:
    """Raise `MalformedMessage` for what is no name of a key: none, or one with a blank or a plus."""
    if not name or "+" in name or any(character.isspace() or character < " " for character in name):
        raise MalformedMessage("a name of a key has neither blank nor plus")


def encode_base64(data: bytes) -> str:
    """RFC 4648, section 4."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(word: str) -> bytes:
    """What `encode_base64` gave and nothing else; raises `MalformedMessage`."""
    try:
        data = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedMessage("a word is no base64") from None
    if encode_base64(data) != word:
        raise MalformedMessage("a word is no base64 in its one form")
    return data


def _check_characters(data: bytes) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedMessage("a note is no text") from None
    if any(byte < 0x20 and byte != 0x0A for byte in set(data)):
        raise MalformedMessage("a note has a control character")
