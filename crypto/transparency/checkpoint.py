"""A state of a log, as a text to be signed: C2SP tlog-checkpoint.

    example.com/behind-the-sofa                     the log
    20852163                                        how many entries it has
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=    the root of their hash tree, in base64

We write no further lines and take none: nobody could say what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from crypto.errors import MalformedMessage, SignatureInvalid
from crypto.merkle import DIGEST_BYTES
from crypto.transparency.frontier import MAXIMUM_SIZE
from crypto.transparency.note import KeyUse, Note, NoteKey, check_name, decode_base64, encode_base64

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself. `origin`: its name, without blank or plus. `root`: 32 bytes."""

    origin: str
    size: int
    root: bytes

    def encode(self) -> bytes:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n".encode()

    @classmethod
    def decode(cls, text: bytes) -> Checkpoint:
        """What `encode` gave; raises `MalformedMessage`."""
        try:
            lines = text.decode("utf-8").split("\n")
        except UnicodeDecodeError:
            raise MalformedMessage("a checkpoint is no text") from None
        if len(lines) != 4 or lines[3]:
            raise MalformedMessage("a checkpoint has three lines")
        check_name(lines[0])
        root = decode_base64(lines[2])
        if len(root) != DIGEST_BYTES:
            raise MalformedMessage("the root of a log is 32 bytes")
        return cls(lines[0], number_of(lines[1], most=MAXIMUM_SIZE), root)


def signed_checkpoint(note: Note, log_keys: Collection[NoteKey]) -> Checkpoint:
    """The checkpoint in a note, if one of these keys of the log signed it.

    Raises `SignatureInvalid`, also for a line of one of these keys that is wrong, and `MalformedMessage`.
    """
    checkpoint = Checkpoint.decode(note.text)
    signed = False
    for key in log_keys:
        for line in note.signatures:
            if key.use is KeyUse.TEXT and key.name == checkpoint.origin and line.is_of(key):
                key.verify(note.text, line.data)
                signed = True
    if not signed:
        raise SignatureInvalid("a checkpoint is not signed by its log")
    return checkpoint


def number_of(word: str, *, most: int) -> int:
    """A decimal number without leading zeros; raises `MalformedMessage`."""
    if _NUMBER.fullmatch(word) is None or int(word) > most:
        raise MalformedMessage("a number of a log is not in its one form, or too large")
    return int(word)
