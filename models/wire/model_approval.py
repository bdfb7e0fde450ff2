"""The bureau approves a model for scores, or takes its approval back: a signed document in the log.

    {"approved": true or false, "at": seconds since 1970, "bureau": ..., "model_version": ...}

A model's version is the digest of what it is, so nothing more needs to be named. The last word in the log counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from crypto.documents import JsonObject
from crypto.identifiers import ModelVersion, ParticipantId, parse_participant_id
from crypto.labels import Label
from models.wire.document_fields import LATEST_TIME, require_flag, require_model_version, require_number, text_of
from models.wire.log_entry import EntryKind
from models.wire.logged_document import LoggedDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelApproval(LoggedDocument):
    """Whether scores may be asked with this model. at: seconds since 1970."""

    LABEL: ClassVar[Label] = Label.MODEL_APPROVAL
    KIND: ClassVar[EntryKind] = EntryKind.MODEL_APPROVED
    KEYS: ClassVar[frozenset[str]] = frozenset({"approved", "at", "bureau", "model_version"})

    bureau: ParticipantId
    model_version: ModelVersion
    approved: bool
    at: int

    def __post_init__(self) -> None:
        """Raises `MalformedMessage` unless the fields keep their bounds."""
        parse_participant_id(self.bureau)
        require_model_version(self.model_version)
        require_number("at", self.at, 0, LATEST_TIME)

    def fields(self) -> JsonObject:
        """What the document says."""
        return {
            "approved": self.approved,
            "at": self.at,
            "bureau": self.bureau,
            "model_version": self.model_version,
        }

    @classmethod
    def _from_fields(cls, fields: JsonObject) -> ModelApproval:
        return cls(
            bureau=ParticipantId(text_of(fields["bureau"])),
            model_version=ModelVersion(text_of(fields["model_version"])),
            approved=require_flag(fields["approved"]),
            at=fields["at"],
        )
