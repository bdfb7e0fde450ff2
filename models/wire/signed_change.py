"""A change of a consent (`models.wire.consent_change`) under the signature of the passkey that gave it.

enterprise -> bureau    SignedChange    over whatever way: its bank, its own device, a department's desk

It names no enterprise, so the bureau shows it to every department with its entry in the log (`PUBLIC`). Those who keep
the consent verify it with the passkey they know; for others it is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from crypto.errors import PeerError
from crypto.passkeys import Assertion, Passkey, RelyingParty
from models.wire.codec import WireMessage
from models.wire.consent import Consent
from models.wire.consent_change import MAXIMUM_CHANGE_BYTES, ConsentChange
from models.wire.log_entry import EntryKind, LogEntry, tag_of_consent
from models.wire.passkey_binding import MAXIMUM_ASSERTION_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedChange(WireMessage):
    """A change and the passkey's assertion (`Assertion.encode`) over its digest."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 13
    change: Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_CHANGE_BYTES)]
    assertion: Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_ASSERTION_BYTES)]

    def claimed(self) -> ConsentChange:
        """What it says, with nothing verified yet; raises `MalformedMessage`."""
        return ConsentChange.decode(self.change)

    def verify(self, consent: Consent, passkey: Passkey, relying_party: RelyingParty) -> ConsentChange:
        """The change, if whoever gave `consent` made it. passkey: the one of the consent's verified binding.

        1. It is one document in its one form, else `MalformedMessage`.
        2. It is of this consent, and the passkey is the one that signed it, else `PeerError`.
        3. That passkey signed the change's digest on our pages, else `SignatureInvalid`.
        """
        change = self.claimed()
        if change.consent_digest != consent.digest():
            raise PeerError("a change is of another consent")
        if passkey.credential_id != consent.signatory.credential_id:
            raise PeerError("a consent is changed with the passkey that signed it")
        Assertion.decode(self.assertion).verify(passkey, change.digest(), relying_party)
        return change

    def entry(self) -> LogEntry:
        """The log's entry for it; raises `MalformedMessage`. Nothing is verified."""
        change = self.claimed()
        tag = tag_of_consent(change.consent_digest)
        return LogEntry(kind=EntryKind.CONSENT_CHANGE, digest=change.digest(), tag=tag)
