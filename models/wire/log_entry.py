"""What an entry of the transparency log says: that there is a signed document of this kind with this digest.

    kind, 1 byte ‖ SHA-256 of the document, 32 bytes ‖ tag, 16 bytes, of the kinds that have one

| kind             | document                                          | tag                                         |
|------------------|---------------------------------------------------|---------------------------------------------|
| `PARTICIPANT`    | of a participant that joined or changed its keys  |                                             |
| `PERMISSION`     | who may do what                                   |                                             |
| `MODEL_APPROVED` | the bureau's approval of a model                  |                                             |
| `PASSKEY`        | that a passkey is an enterprise's                 | of the passkey, by its credential id        |
| `CONSENT`        | what an enterprise consents to                    |                                             |
| `CONSENT_CHANGE` | that it pauses, resumes, revokes or rejects it    | half of the consent's digest                |
| `REQUEST`        | a bank's score request                            | of the use, by the consent's use key        |
| `ANSWER`         | the bureau's answer to it                         |                                             |
| `REFUSAL`        | a department's refusal of it                      |                                             |

A log of these tells nobody who an enterprise is: documents name it, and only who is shown one can find its digest.
Documents of the `PUBLIC` kinds name none; each department is shown them with their entries.

Tags let whoever knows a consent find what belongs to it: its changes, what became of its passkey, and its uses. The tag
of a use is HMAC-SHA-256 of the use's number under the consent's use key, cut to 16 bytes. The enterprise, the bank and
the departments compute the tags of all uses; to others they are random. The first entry with a tag is the use: so all
agree which of two requests came first, however many are made at once.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from crypto.errors import MalformedMessage
from crypto.labels import Label, labelled
from crypto.merkle import DIGEST_BYTES

TAG_BYTES: Final = 16


class EntryKind(IntEnum):
    """The kinds of entries. A value is never used for something else."""

    PARTICIPANT = 1
    PERMISSION = 2
    MODEL_APPROVED = 3
    PASSKEY = 4
    CONSENT = 5
    CONSENT_CHANGE = 6
    REQUEST = 7
    ANSWER = 8
    REFUSAL = 9


TAGGED: Final = frozenset({EntryKind.PASSKEY, EntryKind.CONSENT_CHANGE, EntryKind.REQUEST})
"""The kinds that have a tag."""

PUBLIC: Final = frozenset(
    {EntryKind.PARTICIPANT, EntryKind.PERMISSION, EntryKind.MODEL_APPROVED, EntryKind.CONSENT_CHANGE}
)
"""The kinds whose documents name no enterprise: departments are shown them."""

USE_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry. `digest`: 32 bytes. `tag`: 16 bytes for a kind that has one, none for the others."""

    kind: EntryKind
    digest: bytes
    tag: bytes = b""

    def __post_init__(self) -> None:
        if len(self.digest) != DIGEST_BYTES or len(self.tag) != (TAG_BYTES if self.kind in TAGGED else 0):
            raise MalformedMessage("an entry of the log has a digest, and a tag if its kind has one")

    def encode(self) -> bytes:
        """The entry as the log has it."""
        return bytes([self.kind]) + self.digest + self.tag

    @classmethod
    def decode(cls, data: bytes) -> LogEntry:
        """What `encode` gave; raises `MalformedMessage`, also for a kind of a later release."""
        try:
            kind = EntryKind(data[0])
        except (IndexError, ValueError):
            raise MalformedMessage("an entry of the log is of no kind that is known here") from None
        return cls(kind=kind, digest=data[1 : 1 + DIGEST_BYTES], tag=data[1 + DIGEST_BYTES :])


def use_tag(use_key: bytes, number: int) -> bytes:
    """The tag (16 bytes) of a consent's use of this number, from 0 on. use_key: 32 bytes."""
    if len(use_key) != USE_KEY_BYTES or not 0 <= number < 1 << 32:
        raise MalformedMessage("a use of a consent has a key of 32 bytes and a small number")
    return hmac.digest(use_key, labelled(Label.USE_TAG, number.to_bytes(4, "big")), "sha256")[:TAG_BYTES]


def use_key_digest(use_key: bytes) -> bytes:
    """What a consent says of its use key: 32 bytes."""
    return hashlib.sha256(labelled(Label.USE_KEY, use_key)).digest()


def tag_of_passkey(credential_id: bytes) -> bytes:
    """The tag (16 bytes) of what is said of a passkey."""
    return hashlib.sha256(labelled(Label.PASSKEY_TAG, credential_id)).digest()[:TAG_BYTES]


def tag_of_consent(digest: bytes) -> bytes:
    """The tag of a change to the consent of this digest (32 bytes)."""
    if len(digest) != DIGEST_BYTES:
        raise MalformedMessage("the digest of a consent is 32 bytes")
    return digest[:TAG_BYTES]
