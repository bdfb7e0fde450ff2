"""Whether a document is the one that an entry of the log has the digest of, for the kinds that everybody is shown."""

from __future__ import annotations

import hashlib

from crypto.errors import MalformedMessage, SignatureInvalid
from crypto.succession import HandOver
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.model_approval import ModelApproval
from models.wire.permission import Permission
from models.wire.signed_change import SignedChange


def digest_of(kind: EntryKind, document: bytes) -> bytes:
    """What the log holds (32 bytes) of a document of a `PUBLIC` kind.

    Raises `MalformedMessage` for a document that is none of this kind in its one form, and for a kind that is not
    public. A participant's document must be signed by the identity in it; whether any signer is who it should be,
    whoever knows them verifies.
    """
    return entry_of(kind, document).digest


def entry_of(kind: EntryKind, document: bytes) -> LogEntry:
    """The log's entry, with its tag if its kind has one, for a document of a `PUBLIC` kind; raises as `digest_of`."""
    match kind:
        case EntryKind.PARTICIPANT:
            _require_participant(document)
            return LogEntry(kind=kind, digest=hashlib.sha256(document).digest())
        case EntryKind.PERMISSION:
            Permission.claimed(document)
            return Permission.entry(document)
        case EntryKind.MODEL_APPROVED:
            ModelApproval.claimed(document)
            return ModelApproval.entry(document)
        case EntryKind.CONSENT_CHANGE:
            return SignedChange.decode(document).entry()
        case _:
            raise MalformedMessage("a document of this kind is not shown to everybody")


def _require_participant(document: bytes) -> None:
    try:
        HandOver.split(document).verify_signed_by_itself()
    except SignatureInvalid as fault:
        raise MalformedMessage("a participant's document is not signed by the identity in it") from fault
