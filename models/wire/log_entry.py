"""What an entry of the transparency log says: that there is a signed document of this kind with this digest.

    kind, 1 byte ‖ SHA-256 of the document, 32 bytes ‖ tag, 16 bytes, of the kinds that have one

| kind             | document                                          | tag                                         |
|------------------|---------------------------------------------------|---------------------------------------------|
| `PARTICIPANT`    | of a participant that joined or changed its keys  |                                             |
| `PERMISSION`     | who may do what                                   |                                             |
| `MODEL_APPROVED` | the bureau's approval of a model                  |                                             |
| `PASSKEY`        | that a passkey is an enterprise's                 |                                             |
| `CONSENT`        | what an enterprise consents to                    |                                             |
| `CONSENT_CHANGE` | that it pauses, resumes, revokes or rejects it    | half of the consent's digest                |
| `REQUEST`        | a bank's score request                            | the use tag, which the enterprise looks for |
| `ANSWER`         | the bureau's answer to it                         |                                             |
| `REFUSAL`        | a department's refusal of it                      |                                             |

A log of these tells nobody who an enterprise is: documents name it, and only who is shown one can find its digest. The
tag of a change lets a department see that a consent was changed though nobody shows it how.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from crypto.errors import MalformedMessage
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


TAGGED: Final = frozenset({EntryKind.CONSENT_CHANGE, EntryKind.REQUEST})
"""The kinds that have a tag."""


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


def tag_of_consent(digest: bytes) -> bytes:
    """The tag of a change to the consent of this digest (32 bytes)."""
    if len(digest) != DIGEST_BYTES:
        raise MalformedMessage("the digest of a consent is 32 bytes")
    return digest[:TAG_BYTES]
