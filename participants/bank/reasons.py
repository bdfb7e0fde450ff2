"""A bank opens the reasons of a score, where the consent names it: `models/wire/reasons.py` has the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from models.reasons.opening import LostByFamilyOverAll, open_boxes
from models.wire.envelope import post
from models.wire.reasons import EnterpriseReasons, Opener, SealedReasons


def open_reasons(
    sealed: Mapping[ParticipantId, tuple[SealedReasons, ...]], identity: Identity, *, request: bytes
) -> LostByFamilyOverAll:
    """The points lost by reason family over all of S, `(families,)` in fixed point.

    sealed: what each department of S answered. identity: of the document that the request names. request: the SHA-256
    of the signed request. Raises `PeerError` for a department without one box for the bank and for a box that is not of
    this request, `ReasonsDoNotAddUp` if the masks did not cancel.
    """
    boxes = {department: _own(reasons) for department, reasons in sealed.items()}
    return open_boxes(boxes, identity.private_agreement_key(), Opener.BANK, request=request)


def boxes_for_enterprise(
    request: bytes, departments: Sequence[ParticipantId], answered: Sequence[tuple[SealedReasons, ...]]
) -> bytes:
    """The boxes that the enterprise alone opens, for it to be given (`EnterpriseReasons`); nothing if there are none.

    departments: S, each of which has answered with as many as are at its place in `answered`.
    """
    boxes = {
        name: one.box
        for name, sealed in zip(departments, answered, strict=False)
        for one in sealed
        if one.opener is Opener.ENTERPRISE
    }
    return EnterpriseReasons(request=request, boxes=post(boxes)).encode() if boxes else b""


def _own(reasons: tuple[SealedReasons, ...]) -> bytes:
    boxes = [one.box for one in reasons if one.opener is Opener.BANK]
    if len(boxes) != 1:
        raise PeerError("a department did not answer with one box of reasons for the bank")
    return boxes[0]
