"""A consent with all that whoever answers under it needs to verify it: `docs/protocols.md`, "Consent".

    consent     what the enterprise consents to                           logged by its digest
    assertion   of the enterprise's passkey, over that digest
    binding     that the passkey is this enterprise's                     logged by its digest
    use_key     what names the uses of this consent in the log            the consent has its digest

It goes from the enterprise to its bank, and from there sealed to each department that the consent names; the bureau
never sees one. Whoever has it can find in the log every use of the consent, but cannot consent to anything with it.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from crypto.errors import PeerError
from crypto.passkeys import Assertion, RelyingParty
from models.wire.codec import WireMessage
from models.wire.consent import MAXIMUM_CONSENT_BYTES, Consent
from models.wire.log_entry import USE_KEY_BYTES, EntryKind, LogEntry, use_key_digest
from models.wire.passkey_binding import (
    MAXIMUM_ASSERTION_BYTES,
    PasskeyBinding,
    Registrars,
    SignedBinding,
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConsentBundle(WireMessage):
    """A consent and its proofs. assertion: `Assertion.encode`. use_key: 32 bytes, for those alone who are given it."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 15
    consent: Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_CONSENT_BYTES)]
    assertion: Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_ASSERTION_BYTES)]
    binding: SignedBinding
    use_key: Annotated[bytes, msgspec.Meta(min_length=USE_KEY_BYTES, max_length=USE_KEY_BYTES)]

    def __repr__(self) -> str:
        return "<ConsentBundle: secret>"

    def claimed(self) -> Consent:
        """The consent, with nothing verified yet; raises `MalformedMessage`."""
        return Consent.decode(self.consent)

    def verify(self, registrars: Registrars, relying_party: RelyingParty) -> Consent:
        """The consent, if the enterprise gave it.

        1. It is one document in its one form, else `MalformedMessage`.
        2. The binding verifies (`SignedBinding.verify`).
        3. Consent and binding are of one enterprise and one signatory with this passkey, and the consent is not older
           than the binding, else `PeerError`.
        4. The passkey signed the consent's digest on our pages, else `SignatureInvalid`.
        5. The use key is the one of which the consent has the digest, else `PeerError`.

        Whether the consent allows anything now is another question (`models.consent`), and so is whether its passkey
        was withdrawn since (`models.wire.permission`).
        """
        consent = self.claimed()
        binding = self.binding.verify(registrars, relying_party)
        _require_fits(consent, binding)
        Assertion.decode(self.assertion).verify(binding.passkey, consent.digest(), relying_party)
        if not hmac.compare_digest(use_key_digest(self.use_key), consent.use_key_sha256):
            raise PeerError("a consent came with another use key than its own")
        return consent

    @property
    def binding_entry(self) -> LogEntry:
        """The log's entry for the binding; raises `MalformedMessage`."""
        return self.binding.entry()

    @property
    def consent_entry(self) -> LogEntry:
        """The log's entry for the consent; raises `MalformedMessage`."""
        return LogEntry(kind=EntryKind.CONSENT, digest=self.claimed().digest())


def _require_fits(consent: Consent, binding: PasskeyBinding) -> None:
    if consent.enterprise_id != binding.enterprise_id:
        raise PeerError("a consent of one enterprise was signed with another one's passkey")
    if consent.signatory != binding.signatory:
        raise PeerError("a consent names another signatory or passkey than was registered")
    if consent.created_at < binding.at:
        raise PeerError("a consent is older than the registration of the passkey that signed it")
