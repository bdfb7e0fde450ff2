"""An enterprise opens the reasons of its score, with the key that its consents name.

bank -> enterprise   EnterpriseReasons   the boxes of all departments that answered, which the bank cannot open

The sum over departments comes out, by reason family; no department's own part does (`models/wire/reasons.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crypto.documents import parse_json_object
from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId
from models.reasons.opening import open_boxes
from models.reasons.principal import PrincipalReason, families_of_blocks, principal_reasons
from models.wire.reasons import EnterpriseReasons, Opener
from simulations.enterprise.signatory import Signatory


def opened_reasons(signatory: Signatory, boxes: bytes, manifest: bytes | None = None) -> tuple[PrincipalReason, ...]:
    """The principal reasons in `boxes` (`EnterpriseReasons`).

    manifest: of the model (JSON); it says which departments a family is from, and without it none is named. Raises
    `PeerError` for boxes that are not for this key, and `MalformedMessage`.
    """
    received = EnterpriseReasons.decode(boxes)
    by_department = {ParticipantId(one.participant): one.payload for one in received.boxes}
    if len(by_department) != len(received.boxes):
        raise MalformedMessage("there are two boxes of one department")
    lost = open_boxes(by_department, signatory.reasons_key, Opener.ENTERPRISE, request=received.request)
    known = {} if manifest is None else _families(manifest)
    return principal_reasons(lost, {name: known.get(name, ()) for name in by_department})


def _families(manifest: bytes) -> Mapping[ParticipantId, Sequence[str]]:
    try:
        return families_of_blocks(parse_json_object(manifest))
    except (KeyError, TypeError, AttributeError):
        raise MalformedMessage(
            "this is no manifest of a model", advice="Ask the bank for the model's manifest."
        ) from None
