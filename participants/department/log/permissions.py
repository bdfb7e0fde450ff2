"""Who may do what, as the log has it up to where this department has seen it.

| permission          | whose word counts | when it is looked at                                               |
|---------------------|-------------------|--------------------------------------------------------------------|
| `request-scores`    | the bureau        | before each answer                                                 |
| `register-passkeys` | the bureau        | before each answer: as it was where the passkey stands in the log  |
| `sign`              | its registrar     | before each answer: a passkey signs until that is withdrawn        |
| model approved      | the bureau        | before each answer                                                 |

Of several documents with one subject the last in the log counts. Signatures are verified when an entry is taken in, by
the documents that are in force then: so what was permitted stays so when the bureau changes its keys. A document that
is not signed by whose word counts has no effect: it is in the log, for anybody to see, and changes nothing.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from crypto.errors import SignatureInvalid
from crypto.identifiers import ModelVersion, ParticipantId, Role
from models.log.names import Documents
from models.wire.consent import Purpose
from models.wire.log_entry import EntryKind
from models.wire.logged_document import LoggedDocument
from models.wire.model_approval import ModelApproval
from models.wire.permission import Action, Permission, Subject, signing_with
from participants.department.errors import ModelNotApproved, NotPermitted
from participants.department.log.entries import Notice, notices_of_kind

_GRANTORS: Final = {
    Action.REQUEST_SCORES: Role.BUREAU,
    Action.REGISTER_PASSKEYS: Role.BUREAU,
    Action.SIGN: Role.DEPARTMENT,
    Action.TAKE_PART: Role.DEPARTMENT,
}
"""Whose word counts."""


@dataclass(frozen=True, slots=True)
class Said:
    """One word of the log: what it is about, whether it allows, where it stands, when its signer said it."""

    subject: Subject | ModelVersion
    allows: bool
    position: int
    at: int


class LoggedPermissions:
    """The permissions and approvals in the log. What is new is read once; any number of threads may ask."""

    def __init__(self, bureau: ParticipantId) -> None:
        self.bureau = bureau
        self._said: list[Said] = []
        self._next = {EntryKind.PERMISSION: 0, EntryKind.MODEL_APPROVED: 0}
        self._lock = threading.Lock()

    def require_permitted(
        self, connection: Connection, bank: ParticipantId, version: ModelVersion, purpose: Purpose
    ) -> None:
        """Raise `NotPermitted` unless the bank may ask by this model for this purpose."""
        subject = Subject(
            action=Action.REQUEST_SCORES, grantor=self.bureau, grantee=bank, model=version, purpose=purpose
        )
        if not self._allows(connection, subject):
            raise NotPermitted

    def require_approved(self, connection: Connection, version: ModelVersion) -> None:
        """Raise `ModelNotApproved` unless the model's approval is in force."""
        if not self._allows(connection, version):
            raise ModelNotApproved

    def registered(self, connection: Connection, registrar: ParticipantId, position: int) -> bool:
        """Whether a department was allowed to register passkeys where an entry stands in the log."""
        subject = Subject(action=Action.REGISTER_PASSKEYS, grantor=self.bureau, grantee=registrar)
        return self._allows(connection, subject, before=position)

    def passkey_withdrawn(self, connection: Connection, passkey_tag: bytes, registrar: ParticipantId) -> bool:
        """Whether the registrar that bound a passkey has withdrawn it."""
        subject = signing_with(passkey_tag, registrar)
        return any(one.subject == subject for one in self._read(connection)) and not self._allows(connection, subject)

    def history(self, connection: Connection) -> list[Said]:
        """Every word in the log whose signer's word counts, in the order of the log."""
        return sorted(self._read(connection), key=lambda one: one.position)

    def _allows(self, connection: Connection, subject: Subject | ModelVersion, before: int | None = None) -> bool:
        said = [
            one
            for one in self._read(connection)
            if one.subject == subject and (before is None or one.position < before)
        ]
        return bool(said) and said[-1].allows

    def _read(self, connection: Connection) -> list[Said]:
        with self._lock:
            for kind in self._next:
                for notice in notices_of_kind(connection, kind, start=self._next[kind]):
                    self._next[kind] = notice.position + 1
                    self._said.append(self._said_in(kind, notice))
            return self._said.copy()

    @staticmethod
    def _said_in(kind: EntryKind, notice: Notice) -> Said:
        if kind is EntryKind.PERMISSION:
            permission = Permission.claimed(notice.document)
            return Said(permission.subject, permission.granted, notice.position, permission.at)
        approval = ModelApproval.claimed(notice.document)
        return Said(approval.model_version, approval.approved, notice.position, approval.at)


def require_counts(kind: EntryKind, document: bytes, signers: Documents) -> None:
    """Raise a `PeerError` unless whose word counts signed a permission or approval, by the documents in force."""
    if kind is EntryKind.PERMISSION:
        permission = Permission.claimed(document)
        _require_signed(Permission, document, signers, permission.subject.grantor, _GRANTORS[permission.subject.action])
    elif kind is EntryKind.MODEL_APPROVED:
        _require_signed(ModelApproval, document, signers, ModelApproval.claimed(document).bureau, Role.BUREAU)


def _require_signed(
    form: type[LoggedDocument], document: bytes, signers: Documents, signer: ParticipantId, role: Role
) -> None:
    for one in signers.get(signer, ()):
        if one.role is role:
            with suppress(SignatureInvalid):
                form.verify(document, one.identity)
                return
    raise SignatureInvalid("a document of the log is not signed by whose word counts")
