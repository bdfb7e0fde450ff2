"""A consent that nobody signed, for tests of what consents allow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from crypto.identifiers import ConsentId, EnterpriseId, ParticipantId
from models.wire.consent import Computation, Consent, Language, Purpose, Signatory, SignatoryRole

CREATED: Final = 1_800_000_000

_DRAWN: Final = Consent(
    consent_id=ConsentId("0a" * 16),
    version=1,
    previous_consent_id=None,
    enterprise_id=EnterpriseId("91509900MA0000007U"),
    signatory=Signatory(name="王小明", role=SignatoryRole.SOLE_PROPRIETOR, credential_id=b"c" * 16),
    recipient=ParticipantId("bank"),
    providers=(ParticipantId("court"), ParticipantId("customs"), ParticipantId("tax")),
    purpose=Purpose.MONITORING,
    computation=Computation.SCORE,
    reasons_opened_by=None,
    reasons_key=None,
    created_at=CREATED,
    valid_from=CREATED,
    expires_at=CREATED + 86_400,
    maximum_uses=4,
    uses_a_month=2,
    result_life_days=31,
    text_sha256=b"t" * 32,
    use_key_sha256=b"u" * 32,
    language=Language.CHINESE,
    rule_id="monitoring@1",
)


def drawn_consent(**changes: Any) -> Consent:
    """One consent, always the same but for `changes`."""
    return replace(_DRAWN, **changes)
