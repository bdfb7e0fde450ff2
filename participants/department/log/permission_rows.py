"""Permissions and approvals as an operator reads them: those in force, or each word that was ever said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from crypto.identifiers import ParticipantId
from models.wire.permission import Subject
from participants.command.times import readable_time
from participants.department.log.permissions import Said

APPROVED: Final = "model-approved"
"""How the approval of a model is called among the actions of permissions."""


def permission_rows(said: Sequence[Said], bureau: ParticipantId, *, history: bool = False) -> list[dict[str, Any]]:
    """What is permitted, in the order of the log; with `history` all that was said. bureau: who approves models.

    A passkey signs from its binding on, without a permission: what a registrar withdraws is in the history alone.
    """
    if history:
        return [_row(one, bureau) for one in said]
    last = {one.subject: one for one in said}
    return [_row(one, bureau) for one in said if one.allows and last[one.subject] is one]


def _row(said: Said, bureau: ParticipantId) -> dict[str, Any]:
    subject, at = said.subject, readable_time(said.at)
    if isinstance(subject, Subject):
        named: dict[str, Any] = {
            "action": subject.action.value,
            "granted": said.allows,
            "grantee": subject.grantee,
            "grantor": subject.grantor,
            "model": subject.model,
            "purpose": None if subject.purpose is None else subject.purpose.value,
            "run": subject.run,
        }
    else:
        named = {
            "action": APPROVED,
            "granted": said.allows,
            "grantee": None,
            "grantor": bureau,
            "model": subject,
            "purpose": None,
            "run": None,
        }
    return {"leaf": said.position} | named | {"at": at}
