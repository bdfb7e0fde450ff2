"""What an enterprise consents to.

An RFC 8785 document (`crypto.documents`) without a signature in it:

    {"computation": "score", "score-with-reasons" or "match", "consent_id": 32 hexadecimal digits,
     "created_at": seconds since 1970, "enterprise_id": ..., "expires_at": ..., "language": of the text,
     "maximum_uses": ..., "previous_consent_id": or null, "providers": [departments, sorted], "purpose": ...,
     "reasons_key": X25519 key of the enterprise that opens them, or null,
     "reasons_opened_by": "bank", "enterprise", "both" or null, "recipient": one bank,
     "result_life_days": how long the bank may keep the answer, "rule_id": the fair-use rule that bounded it,
     "signatory": {"credential_id": of the passkey, in hexadecimal digits, "name": ..., "role": ...},
     "text_sha256": of the text shown, "use_key_sha256": of the key that names its uses in the log,
     "uses_a_month": ..., "valid_from": ..., "version": 1 for the first}

Its digest is the challenge that the enterprise's passkey signs (WebAuthn), and what goes into the log:

    SHA-256(label ‖ 0x00 ‖ length of the document, 8 bytes ‖ document)

A consent never changes: another bank, purpose or date is a new consent, one version higher, that names the one it
follows. `models.wire.consent_change` has what pauses or ends one.

Whoever is given the document learns all of it, the signatory's name included: the bank and the departments that it
names. The log holds digests.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crypto.documents import JsonObject, canonical_json
from crypto.errors import MalformedMessage
from crypto.identifiers import ConsentId, EnterpriseId, ParticipantId, parse_consent_id, parse_participant_id
from crypto.labels import Label, labelled
from crypto.merkle import DIGEST_BYTES
from crypto.passkeys import MAXIMUM_CREDENTIAL_ID_BYTES, MINIMUM_CREDENTIAL_ID_BYTES
from models.enterprise_id import parse_enterprise_id
from models.wire.document_fields import (
    LATEST_TIME,
    bytes_of,
    fields_of,
    member_of,
    require_keys,
    require_number,
    require_same,
    text_of,
)
from models.wire.plan import MINIMUM_DEPARTMENTS

MAXIMUM_CONSENT_BYTES: Final = 1 << 14
"""No consent is longer: there is room for the most departments with the longest names."""

MOST_PROVIDERS: Final = 256
"""So many departments has a model at most."""

MOST_USES: Final = 1_000_000
LONGEST_RESULT_LIFE_DAYS: Final = 3660
LATEST_VERSION: Final = (1 << 31) - 1

AGREEMENT_KEY_BYTES: Final = 32
"""Of an X25519 key."""

LONGEST_NAME: Final = 100
"""Characters of a signatory's name."""

_RULE_ID: Final = re.compile(r"[a-z0-9-]{1,60}@[1-9][0-9]{0,5}")


class Purpose(StrEnum):
    """What the answer is wanted for. Each needs a consent of its own; training is never part of another one."""

    PRE_QUALIFICATION = "pre-qualification"
    APPLICATION = "application"
    MONITORING = "monitoring"
    MATCHING = "matching"
    MODEL_TRAINING = "model-training"


class Computation(StrEnum):
    """What is computed from the departments' data, which themselves never leave."""

    SCORE = "score"
    SCORE_WITH_REASONS = "score-with-reasons"
    MATCH = "match"


class ReasonsOpenedBy(StrEnum):
    """Who may open the reasons of a score."""

    BANK = "bank"
    ENTERPRISE = "enterprise"
    BOTH = "both"


_WITH_THE_ENTERPRISE: Final = frozenset({ReasonsOpenedBy.ENTERPRISE, ReasonsOpenedBy.BOTH})


class SignatoryRole(StrEnum):
    """What lets a person sign for an enterprise."""

    LEGAL_REPRESENTATIVE = "legal-representative"
    SOLE_PROPRIETOR = "sole-proprietor"
    AUTHORISED_AGENT = "authorised-agent"


class Language(StrEnum):
    """The language of the text that was shown."""

    CHINESE = "zh-CN"
    ENGLISH = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatory:
    """The person who signs. credential_id: of the passkey, 16 to 1023 bytes."""

    name: str
    role: SignatoryRole
    credential_id: bytes

    def __post_init__(self) -> None:
        """Raises `MalformedMessage` for a name that is not one line in one form."""
        _require_name(self.name)
        if not MINIMUM_CREDENTIAL_ID_BYTES <= len(self.credential_id) <= MAXIMUM_CREDENTIAL_ID_BYTES:
            raise MalformedMessage("the credential id of a consent is not 16 to 1023 bytes")

    def fields(self) -> JsonObject:
        """What the document says of the signatory."""
        return {"credential_id": self.credential_id.hex(), "name": self.name, "role": self.role.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What an enterprise allows one bank. Times in seconds since 1970; valid while valid_from <= now < expires_at.

    providers: sorted, each once. text_sha256, use_key_sha256: 32 bytes. reasons_key: 32 bytes, if the enterprise is one
    of those who open reasons. One that breaks a bound cannot be made: `MalformedMessage`.
    """

    consent_id: ConsentId
    version: int
    previous_consent_id: ConsentId | None
    enterprise_id: EnterpriseId
    signatory: Signatory
    recipient: ParticipantId
    providers: tuple[ParticipantId, ...]
    purpose: Purpose
    computation: Computation
    reasons_opened_by: ReasonsOpenedBy | None
    reasons_key: bytes | None
    created_at: int
    valid_from: int
    expires_at: int
    maximum_uses: int
    uses_a_month: int
    result_life_days: int
    text_sha256: bytes
    use_key_sha256: bytes
    language: Language
    rule_id: str

    def __post_init__(self) -> None:
        """Raises `MalformedMessage` unless the fields keep their bounds and fit each other."""
        self._require_lineage()
        self._require_parties()
        self._require_times_and_uses()
        if (self.computation is Computation.SCORE_WITH_REASONS) != (self.reasons_opened_by is not None):
            raise MalformedMessage("a consent says who opens reasons if it is to a score with reasons, and only then")
        if (self.reasons_opened_by in _WITH_THE_ENTERPRISE) != (self.reasons_key is not None):
            raise MalformedMessage("a consent has a key for reasons if the enterprise opens them, and only then")
        if self.reasons_key is not None and len(self.reasons_key) != AGREEMENT_KEY_BYTES:
            raise MalformedMessage("the key that opens the reasons of a consent is not 32 bytes")
        if (len(self.text_sha256), len(self.use_key_sha256)) != (DIGEST_BYTES, DIGEST_BYTES):
            raise MalformedMessage("a digest in a consent is not 32 bytes")
        if _RULE_ID.fullmatch(self.rule_id) is None:
            raise MalformedMessage("the rule of a consent is not named as name@version")

    def encode(self) -> bytes:
        """The document in its one form."""
        return canonical_json(self.fields())

    def digest(self) -> bytes:
        """The SHA-256 (32 bytes) that the passkey signs and that the log holds."""
        return hashlib.sha256(labelled(Label.CONSENT, self.encode())).digest()

    def fields(self) -> JsonObject:
        """What the document says."""
        return {
            "computation": self.computation.value,
            "consent_id": self.consent_id,
            "created_at": self.created_at,
            "enterprise_id": self.enterprise_id,
            "expires_at": self.expires_at,
            "language": self.language.value,
            "maximum_uses": self.maximum_uses,
            "previous_consent_id": self.previous_consent_id,
            "providers": list(self.providers),
            "purpose": self.purpose.value,
            "reasons_key": None if self.reasons_key is None else self.reasons_key.hex(),
            "reasons_opened_by": None if self.reasons_opened_by is None else self.reasons_opened_by.value,
            "recipient": self.recipient,
            "result_life_days": self.result_life_days,
            "rule_id": self.rule_id,
            "signatory": self.signatory.fields(),
            "text_sha256": self.text_sha256.hex(),
            "use_key_sha256": self.use_key_sha256.hex(),
            "uses_a_month": self.uses_a_month,
            "valid_from": self.valid_from,
            "version": self.version,
        }

    @classmethod
    def decode(cls, data: bytes) -> Consent:
        """The consent that `data` stands for; raises `MalformedMessage` for all that is not one in its one form."""
        consent = cls.read_kept(data)
        require_same(consent.encode(), data)
        return consent

    @classmethod
    def read_kept(cls, data: bytes) -> Consent:
        """The consent in a document that `decode` took before: its form is not compared again."""
        fields = fields_of(data, maximum_bytes=MAXIMUM_CONSENT_BYTES)
        require_keys(fields, _CONSENT_KEYS)
        previous, opened_by, reasons_key, providers = (
            fields[key] for key in ("previous_consent_id", "reasons_opened_by", "reasons_key", "providers")
        )
        if not isinstance(providers, list):
            raise MalformedMessage("the providers of a consent are not a list")
        return cls(
            consent_id=ConsentId(text_of(fields["consent_id"])),
            version=fields["version"],
            previous_consent_id=None if previous is None else ConsentId(text_of(previous)),
            enterprise_id=EnterpriseId(text_of(fields["enterprise_id"])),
            signatory=_signatory(fields["signatory"]),
            recipient=ParticipantId(text_of(fields["recipient"])),
            providers=tuple(ParticipantId(text_of(name)) for name in providers),
            purpose=member_of(Purpose, fields["purpose"]),
            computation=member_of(Computation, fields["computation"]),
            reasons_opened_by=None if opened_by is None else member_of(ReasonsOpenedBy, opened_by),
            reasons_key=None if reasons_key is None else bytes_of(reasons_key),
            created_at=fields["created_at"],
            valid_from=fields["valid_from"],
            expires_at=fields["expires_at"],
            maximum_uses=fields["maximum_uses"],
            uses_a_month=fields["uses_a_month"],
            result_life_days=fields["result_life_days"],
            text_sha256=bytes_of(fields["text_sha256"]),
            use_key_sha256=bytes_of(fields["use_key_sha256"]),
            language=member_of(Language, fields["language"]),
            rule_id=text_of(fields["rule_id"]),
        )

    def _require_lineage(self) -> None:
        parse_consent_id(self.consent_id)
        require_number("version", self.version, 1, LATEST_VERSION)
        if (self.version == 1) != (self.previous_consent_id is None):
            raise MalformedMessage("the first version of a consent follows no other, and each later one does")
        if self.previous_consent_id is not None:
            parse_consent_id(self.previous_consent_id)
        if self.previous_consent_id == self.consent_id:
            raise MalformedMessage("a consent cannot follow itself")

    def _require_parties(self) -> None:
        parse_enterprise_id(self.enterprise_id)
        parse_participant_id(self.recipient)
        for provider in self.providers:
            parse_participant_id(provider)
        if not MINIMUM_DEPARTMENTS <= len(self.providers) <= MOST_PROVIDERS:
            raise MalformedMessage("a consent names 3 to 256 departments")
        if list(self.providers) != sorted(set(self.providers)):
            raise MalformedMessage("the departments of a consent are not sorted, or one is there twice")
        if self.recipient in self.providers:
            raise MalformedMessage("the bank of a consent is not one of its departments")

    def _require_times_and_uses(self) -> None:
        require_number("created_at", self.created_at, 0, LATEST_TIME)
        require_number("valid_from", self.valid_from, self.created_at, LATEST_TIME)
        require_number("expires_at", self.expires_at, self.valid_from + 1, LATEST_TIME)
        require_number("maximum_uses", self.maximum_uses, 1, MOST_USES)
        require_number("uses_a_month", self.uses_a_month, 1, self.maximum_uses)
        require_number("result_life_days", self.result_life_days, 1, LONGEST_RESULT_LIFE_DAYS)


_CONSENT_KEYS: Final = frozenset(Consent.__dataclass_fields__)


def _signatory(value: object) -> Signatory:
    if not isinstance(value, dict):
        raise MalformedMessage("the signatory of a consent is not an object")
    require_keys(value, frozenset({"credential_id", "name", "role"}))
    return Signatory(
        name=text_of(value["name"]),
        role=member_of(SignatoryRole, value["role"]),
        credential_id=bytes_of(value["credential_id"]),
    )


def _require_name(name: str) -> None:
    """A name is one visible line in one spelling, so that what is signed is what was read.

    Characters that this Python does not know yet pass: people have names that Unicode took up late. Those that
    nobody can see, or that everybody sees otherwise (controls, directions, private use), do not.
    """
    if not 1 <= len(name) <= LONGEST_NAME or name != name.strip():
        raise MalformedMessage("the name of a signatory is not 1 to 100 characters without space around them")
    if any(unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"} for c in name):
        raise MalformedMessage("the name of a signatory holds a character that cannot be shown")
    if not unicodedata.is_normalized("NFC", name):
        raise MalformedMessage("the name of a signatory is not in Unicode's normal form C")
