"""How an enterprise pauses, resumes, revokes or rejects a consent.

An RFC 8785 document without a signature in it; the enterprise's passkey signs its digest, as it does a consent's:

    {"at": seconds since 1970, "consent_digest": of the consent, "reason": a code,
     "what": "pause", "resume", "revoke" or "reject"}

    SHA-256(label ‖ 0x00 ‖ length of the document, 8 bytes ‖ document)

`models.consent.states` says what a change does, and why an old one that is logged again opens nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crypto.documents import JsonObject, canonical_json
from crypto.errors import MalformedMessage
from crypto.labels import Label, labelled
from crypto.merkle import DIGEST_BYTES
from models.wire.document_fields import (
    LATEST_TIME,
    bytes_of,
    fields_of,
    member_of,
    require_keys,
    require_number,
    require_same,
)

MAXIMUM_CHANGE_BYTES: Final = 1 << 9
"""No change is longer."""


class What(StrEnum):
    """What a change does to a consent; `models.consent.states` says when it can."""

    PAUSE = "pause"
    RESUME = "resume"
    REVOKE = "revoke"
    REJECT = "reject"


class Reason(StrEnum):
    """Why a consent is changed: a code and never free text, in which people would write what is nobody's business."""

    NOT_NEEDED = "not-needed"
    MISTAKE = "mistake"
    DATA_DISPUTED = "data-disputed"
    MISUSE_SUSPECTED = "misuse-suspected"
    SUPERSEDED = "superseded"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentChange:
    """What an enterprise does to a consent that it gave. consent_digest: 32 bytes. at: seconds since 1970."""

    consent_digest: bytes
    what: What
    at: int
    reason: Reason

    def __post_init__(self) -> None:
        """Raises `MalformedMessage` unless the fields keep their bounds."""
        if len(self.consent_digest) != DIGEST_BYTES:
            raise MalformedMessage("a change does not name a consent by 32 bytes")
        require_number("at", self.at, 0, LATEST_TIME)

    def encode(self) -> bytes:
        """The document in its one form."""
        return canonical_json(self.fields())

    def digest(self) -> bytes:
        """The SHA-256 (32 bytes) that the passkey signs and that the log holds."""
        return hashlib.sha256(labelled(Label.CONSENT_CHANGE, self.encode())).digest()

    def fields(self) -> JsonObject:
        """What the document says."""
        return {
            "at": self.at,
            "consent_digest": self.consent_digest.hex(),
            "reason": self.reason.value,
            "what": self.what.value,
        }

    @classmethod
    def decode(cls, data: bytes) -> ConsentChange:
        """The change that `data` stands for; raises `MalformedMessage` for all that is not one in its one form."""
        fields = fields_of(data, maximum_bytes=MAXIMUM_CHANGE_BYTES)
        require_keys(fields, frozenset({"at", "consent_digest", "reason", "what"}))
        change = cls(
            consent_digest=bytes_of(fields["consent_digest"]),
            what=member_of(What, fields["what"]),
            at=fields["at"],
            reason=member_of(Reason, fields["reason"]),
        )
        require_same(change.encode(), data)
        return change
