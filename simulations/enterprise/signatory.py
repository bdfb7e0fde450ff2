"""The person who signs for a simulated enterprise, with a passkey in software: no disk, no network.

    Signatory.create(...)    a person with a passkey for the relying party's pages
    .binding(...)            a registrar vouches for the passkey
    .consent(...)            what the person consents to, signed
    .change(...)             pauses, resumes, revokes or rejects it

Bounds that are not given are those of the fair-use rule, as the portal fills them in. What is wrong on purpose is made
with `dataclasses.replace` from what is right: `sign` signs any digest.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from crypto.identifiers import ConsentId, EnterpriseId, ParticipantId
from crypto.identity import Identity
from crypto.passkeys import Passkey, RelyingParty
from crypto.secret import Secret
from models.consent.rules import SECONDS_A_DAY, packaged_rules
from models.wire.consent import (
    Computation,
    Consent,
    Language,
    Purpose,
    ReasonsOpenedBy,
    SignatoryRole,
)
from models.wire.consent import Signatory as NamedSignatory
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import ConsentChange, Reason, What
from models.wire.log_entry import USE_KEY_BYTES, use_key_digest
from models.wire.passkey_binding import BindingRequest, PasskeyBinding, SignedBinding
from models.wire.signed_change import SignedChange
from simulations.authenticator import SoftwareAuthenticator
from simulations.enterprise.errors import NothingToSign

CONSENT_TEXT: Final = "我同意上述机构为上述用途计算本企业的信用评分。"
"""What the person is shown, until the portal has its texts: "I agree that they compute our score for this purpose"."""

_CONSENT_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a person may choose within the fair-use rule; None: all that it allows.

    valid_for_seconds: from when the consent is made. starts_at: seconds since 1970; None: at once.
    """

    starts_at: int | None = None
    valid_for_seconds: int | None = None
    maximum_uses: int | None = None
    uses_a_month: int | None = None
    result_life_days: int | None = None


ALL_ALLOWED: Final = Bounds()


class Signatory(Secret):
    """A person who signs for an enterprise, with one passkey and one key that opens reasons.

    binding_of_passkey: what the registrar made of it, once there is one; each consent carries it.
    """

    __slots__ = ("authenticator", "binding_of_passkey", "enterprise_id", "name", "reasons_key", "relying_party", "role")

    authenticator: SoftwareAuthenticator
    binding_of_passkey: SignedBinding | None

    def __init__(
        self,
        enterprise_id: EnterpriseId,
        relying_party: RelyingParty,
        authenticator: SoftwareAuthenticator,
        reasons_key: X25519PrivateKey,
        *,
        name: str,
        role: SignatoryRole,
        binding: SignedBinding | None = None,
    ) -> None:
        self.enterprise_id = enterprise_id
        self.relying_party = relying_party
        self.authenticator = authenticator
        self.reasons_key = reasons_key
        self.name = name
        self.role = role
        self.binding_of_passkey = binding

    @classmethod
    def create(
        cls,
        enterprise_id: EnterpriseId,
        relying_party: RelyingParty,
        *,
        name: str = "王小明",
        role: SignatoryRole = SignatoryRole.LEGAL_REPRESENTATIVE,
    ) -> Self:
        """A person with a new passkey and a new key for reasons."""
        authenticator = SoftwareAuthenticator.create(relying_party)
        return cls(enterprise_id, relying_party, authenticator, X25519PrivateKey.generate(), name=name, role=role)

    @property
    def passkey(self) -> Passkey:
        """The public half of the passkey."""
        return self.authenticator.passkey

    @property
    def named(self) -> NamedSignatory:
        """How documents name this person."""
        return NamedSignatory(name=self.name, role=self.role, credential_id=self.passkey.credential_id)

    def binding(self, registrar: Identity, registrar_id: ParticipantId, *, at: int) -> SignedBinding:
        """What the registrar makes of this passkey; consents carry it from then on."""
        self.binding_of_passkey = self.binding_request(registrar_id, at=at).signed_by(registrar)
        return self.binding_of_passkey

    def binding_request(self, registrar_id: ParticipantId, *, at: int) -> BindingRequest:
        """What a registrar is handed, to look who the person is and to sign."""
        proposed = self.proposed_binding(registrar_id, at=at)
        return BindingRequest(document=proposed.encode(), assertion=self.authenticator.sign(proposed.digest()).encode())

    def proposed_binding(self, registrar_id: ParticipantId, *, at: int) -> PasskeyBinding:
        """What a registrar is asked to sign."""
        return PasskeyBinding(
            enterprise_id=self.enterprise_id,
            passkey=self.passkey,
            signatory=self.named,
            registrar=registrar_id,
            at=at,
        )

    def consent(
        self,
        recipient: ParticipantId,
        providers: Iterable[ParticipantId],
        *,
        created_at: int,
        purpose: Purpose = Purpose.APPLICATION,
        computation: Computation = Computation.SCORE,
        reasons_opened_by: ReasonsOpenedBy | None = None,
        bounds: Bounds = ALL_ALLOWED,
        following: Consent | None = None,
        language: Language = Language.CHINESE,
        text: str = CONSENT_TEXT,
    ) -> ConsentBundle:
        """A signed consent. following: the one whose place it takes. Raises `NothingToSign` if no rule covers it."""
        use_key = secrets.token_bytes(USE_KEY_BYTES)
        rule = packaged_rules().rule_for(purpose, computation)
        if rule is None:
            raise NothingToSign(f"the fair-use rules let nobody consent to {purpose}")
        opens = reasons_opened_by in {ReasonsOpenedBy.ENTERPRISE, ReasonsOpenedBy.BOTH}
        uses = _or(bounds.maximum_uses, rule.maximum_uses)
        consent = Consent(
            consent_id=ConsentId(secrets.token_hex(_CONSENT_ID_BYTES)),
            version=1 if following is None else following.version + 1,
            previous_consent_id=None if following is None else following.consent_id,
            enterprise_id=self.enterprise_id,
            signatory=self.named,
            recipient=recipient,
            providers=tuple(sorted(providers)),
            purpose=purpose,
            computation=computation,
            reasons_opened_by=reasons_opened_by,
            reasons_key=self.reasons_key.public_key().public_bytes_raw() if opens else None,
            created_at=created_at,
            valid_from=_or(bounds.starts_at, created_at),
            expires_at=created_at + _or(bounds.valid_for_seconds, rule.life_days * SECONDS_A_DAY),
            maximum_uses=uses,
            uses_a_month=_or(bounds.uses_a_month, min(rule.uses_a_month, uses)),
            result_life_days=_or(bounds.result_life_days, rule.result_life_days),
            text_sha256=hashlib.sha256(text.encode()).digest(),
            use_key_sha256=use_key_digest(use_key),
            language=language,
            rule_id=rule.rule_id,
        )
        return self.sign(consent, use_key)

    def sign(self, consent: Consent, use_key: bytes) -> ConsentBundle:
        """Any consent at all under this passkey's signature; raises `NothingToSign` before there is a binding."""
        if self.binding_of_passkey is None:
            raise NothingToSign(
                "the passkey is not registered yet",
                advice="Have a department register it: `yurong enterprise register`.",
            )
        return ConsentBundle(
            consent=consent.encode(),
            assertion=self.authenticator.sign(consent.digest()).encode(),
            binding=self.binding_of_passkey,
            use_key=use_key,
        )

    def change(self, consent: Consent, what: What, *, at: int, reason: Reason = Reason.OTHER) -> SignedChange:
        """A signed change of a consent."""
        change = ConsentChange(consent_digest=consent.digest(), what=what, at=at, reason=reason)
        return SignedChange(change=change.encode(), assertion=self.authenticator.sign(change.digest()).encode())


def _or(chosen: int | None, allowed: int) -> int:
    return allowed if chosen is None else chosen
