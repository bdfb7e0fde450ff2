"""That a department refused a request, as the bureau heard it: a signed document in the log.

    {"at": seconds since 1970, "bureau": ..., "department": ..., "problem": why, by the name of its problem type,
     "request": SHA-256 of the request, in hexadecimal digits}

The bureau signs and not the department: a refusal is an HTTP problem without a signature. It proves that the bureau
says so; what the department itself knows of it stands in its own records.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from crypto.documents import JsonObject
from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId, parse_participant_id
from crypto.labels import Label
from crypto.merkle import DIGEST_BYTES
from models.wire.document_fields import LATEST_TIME, bytes_of, require_number, text_of
from models.wire.log_entry import EntryKind
from models.wire.logged_document import LoggedDocument

_PROBLEM: Final = re.compile(r"[a-z0-9-]{1,60}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(LoggedDocument):
    """Why a department did not answer. request: digest, 32 bytes. at: seconds since 1970."""

    LABEL: ClassVar[Label] = Label.REFUSAL
    KIND: ClassVar[EntryKind] = EntryKind.REFUSAL
    KEYS: ClassVar[frozenset[str]] = frozenset({"at", "bureau", "department", "problem", "request"})

    bureau: ParticipantId
    department: ParticipantId
    problem: str
    request: bytes
    at: int

    def __post_init__(self) -> None:
        """Raises `MalformedMessage` unless the fields keep their bounds."""
        parse_participant_id(self.bureau)
        parse_participant_id(self.department)
        if _PROBLEM.fullmatch(self.problem) is None or len(self.request) != DIGEST_BYTES:
            raise MalformedMessage("a refusal names a problem type and a request's digest")
        require_number("at", self.at, 0, LATEST_TIME)

    def fields(self) -> JsonObject:
        """What the document says."""
        return {
            "at": self.at,
            "bureau": self.bureau,
            "department": self.department,
            "problem": self.problem,
            "request": self.request.hex(),
        }

    @classmethod
    def _from_fields(cls, fields: JsonObject) -> Refusal:
        return cls(
            bureau=ParticipantId(text_of(fields["bureau"])),
            department=ParticipantId(text_of(fields["department"])),
            problem=text_of(fields["problem"]),
            request=bytes_of(fields["request"]),
            at=fields["at"],
        )
