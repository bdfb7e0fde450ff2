"""Who may do what: a signed document in the log, by which it is given or withdrawn.

    {"action": "request-scores", "register-passkeys", "sign" or "take-part", "at": seconds since 1970,
     "granted": true or false, "grantee": who may, "grantor": who says so, "model": version or null,
     "purpose": ... or null, "run": id or null}

| action              | grantor                | grantee                                | names              |
|---------------------|------------------------|----------------------------------------|--------------------|
| `request-scores`    | bureau                 | bank                                   | a model, a purpose |
| `register-passkeys` | bureau                 | department                             |                    |
| `sign`              | department that bound  | passkey: its tag in hexadecimal digits |                    |
| `take-part`         | department             | itself                                 | a run              |

A passkey may sign from its binding on (`passkey_binding.py`), until the registrar withdraws that. It is named by its
tag, so all learn at once that a passkey was lost, and nobody whose.

All that a document says but `at` and `granted` is its `subject`: of several with one subject the last in the log
counts, whatever times they claim. What was never granted is not permitted. Whoever reads one has to know of whom it
takes it: this file says what a permission says, not whose word counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from crypto.documents import JsonObject
from crypto.errors import MalformedMessage
from crypto.identifiers import ModelVersion, ParticipantId, RunId, parse_participant_id
from crypto.identity import Identity
from crypto.labels import Label
from models.wire.consent import Purpose
from models.wire.document_fields import (
    LATEST_TIME,
    member_of,
    require_flag,
    require_model_version,
    require_number,
    require_run_id,
    text_of,
)
from models.wire.log_entry import EntryKind
from models.wire.logged_document import LoggedDocument


class Action(StrEnum):
    """What can be permitted."""

    REQUEST_SCORES = "request-scores"
    REGISTER_PASSKEYS = "register-passkeys"
    SIGN = "sign"
    TAKE_PART = "take-part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a permission is about: that `grantee` may do `action`, on this model, purpose or run, by `grantor`'s word.

    Raises `MalformedMessage` unless exactly the fields are there that go with the action.
    """

    action: Action
    grantor: ParticipantId
    grantee: ParticipantId
    model: ModelVersion | None = None
    purpose: Purpose | None = None
    run: RunId | None = None

    def __post_init__(self) -> None:
        parse_participant_id(self.grantor)
        parse_participant_id(self.grantee)
        named = self.model is not None, self.purpose is not None, self.run is not None
        if named != _NAMES[self.action]:
            raise MalformedMessage("a permission names other things than its action has")
        if self.model is not None:
            require_model_version(self.model)
        if self.run is not None:
            require_run_id(self.run)


# Which of model, purpose and run an action has.
_NAMES: Final = {
    Action.REQUEST_SCORES: (True, True, False),
    Action.REGISTER_PASSKEYS: (False, False, False),
    Action.SIGN: (False, False, False),
    Action.TAKE_PART: (False, False, True),
}


def signing_with(passkey_tag: bytes, registrar: ParticipantId) -> Subject:
    """What a registrar says of a passkey that it has bound. passkey_tag: 16 bytes."""
    return Subject(action=Action.SIGN, grantor=registrar, grantee=ParticipantId(passkey_tag.hex()))


def takes_part(participant: ParticipantId, run: RunId, identity: Identity, *, at: int) -> bytes:
    """The signed word of a department that it takes part in a run. at: seconds since 1970."""
    subject = Subject(action=Action.TAKE_PART, grantor=participant, grantee=participant, run=run)
    return Permission(subject=subject, granted=True, at=at).sign(identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission(LoggedDocument):
    """One word on a subject: `granted` or withdrawn. at: seconds since 1970, as the grantor's clock had it."""

    LABEL: ClassVar[Label] = Label.PERMISSION
    KIND: ClassVar[EntryKind] = EntryKind.PERMISSION
    KEYS: ClassVar[frozenset[str]] = frozenset(
        {"action", "at", "granted", "grantee", "grantor", "model", "purpose", "run"}
    )

    subject: Subject
    granted: bool
    at: int

    def __post_init__(self) -> None:
        """Raises `MalformedMessage` for a time that none is."""
        require_number("at", self.at, 0, LATEST_TIME)

    def fields(self) -> JsonObject:
        """What the document says."""
        subject = self.subject
        return {
            "action": subject.action.value,
            "at": self.at,
            "granted": self.granted,
            "grantee": subject.grantee,
            "grantor": subject.grantor,
            "model": subject.model,
            "purpose": None if subject.purpose is None else subject.purpose.value,
            "run": subject.run,
        }

    @classmethod
    def _from_fields(cls, fields: JsonObject) -> Permission:
        model, purpose, run = fields["model"], fields["purpose"], fields["run"]
        subject = Subject(
            action=member_of(Action, fields["action"]),
            grantor=ParticipantId(text_of(fields["grantor"])),
            grantee=ParticipantId(text_of(fields["grantee"])),
            model=None if model is None else ModelVersion(text_of(model)),
            purpose=None if purpose is None else member_of(Purpose, purpose),
            run=None if run is None else RunId(text_of(run)),
        )
        return cls(subject=subject, granted=require_flag(fields["granted"]), at=fields["at"])
