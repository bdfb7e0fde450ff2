"""Identifiers by type: a bare string id crosses no module."""

import re
from enum import StrEnum
from typing import Final, NewType

from crypto.errors import MalformedMessage

ParticipantId = NewType("ParticipantId", str)
"""A participant's short name, such as `tax` or `bank-of-jiangbei`; see `parse_participant_id`."""

RunId = NewType("RunId", str)
"""One run of training, evaluation or batch scoring."""

EnterpriseId = NewType("EnterpriseId", str)
"""The 18-character unified social credit code (GB 32100-2015)."""

ModelVersion = NewType("ModelVersion", str)
"""The version of an approved credit model."""

RequestId = NewType("RequestId", str)
"""One request; the same over its retries."""

ConsentId = NewType("ConsentId", str)
"""One consent of an enterprise; a changed consent has another; see `parse_consent_id`."""

_PARTICIPANT_ID: Final = re.compile(r"[a-z0-9-]{1,40}")
_CONSENT_ID: Final = re.compile(r"[0-9a-f]{32}")


class Role(StrEnum):
    """What a member of the federation is."""

    BUREAU = "bureau"
    DEPARTMENT = "department"
    BANK = "bank"


def parse_participant_id(text: str) -> ParticipantId:
    """Return `text` as a participant id: 1 to 40 of `a-z`, `0-9` and `-`; else `MalformedMessage`."""
    if _PARTICIPANT_ID.fullmatch(text) is None:
        raise MalformedMessage(
            "a participant id is 1 to 40 lower-case letters, digits and hyphens",
            advice="Choose a name such as 'tax' or 'bank-of-jiangbei'.",
        )
    return ParticipantId(text)


def parse_consent_id(text: str) -> ConsentId:
    """Return `text` as a consent id: 32 lower-case hexadecimal digits; else `MalformedMessage`."""
    if _CONSENT_ID.fullmatch(text) is None:
        raise MalformedMessage("a consent id is 32 lower-case hexadecimal digits")
    return ConsentId(text)
