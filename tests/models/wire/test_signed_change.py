"""A change of a consent: by the passkey that gave it, and of no other consent."""

from dataclasses import replace

import pytest

from crypto.errors import MalformedMessage, PeerError, SignatureInvalid
from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.identity import Identity
from crypto.passkeys import RelyingParty
from models.wire.consent_change import ConsentChange, Reason, What
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.signed_change import SignedChange
from simulations.enterprise.signatory import Signatory

PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
ENTERPRISE = EnterpriseId("91509900MA0000007U")
MARKET, BANK = ParticipantId("market-regulation"), ParticipantId("bank")
PROVIDERS = tuple(map(ParticipantId, ("tax", "court", "customs")))
AT = 1_800_000_000


def person() -> Signatory:
    made = Signatory.create(ENTERPRISE, PARTY)
    made.binding(Identity.generate(), MARKET, at=AT)
    return made


PERSON, OTHER = person(), person()
CONSENT, SECOND = (PERSON.consent(BANK, PROVIDERS, created_at=AT).claimed() for _ in range(2))
REVOKED = PERSON.change(CONSENT, What.REVOKE, at=AT + 5, reason=Reason.MISUSE_SUSPECTED)


def test_what_the_passkey_signed_verifies_and_is_logged_under_the_consents_tag() -> None:
    change = ConsentChange(consent_digest=CONSENT.digest(), what=What.REVOKE, at=AT + 5, reason=Reason.MISUSE_SUSPECTED)
    assert SignedChange.decode(REVOKED.encode()).verify(CONSENT, PERSON.passkey, PARTY) == change
    tag = CONSENT.digest()[:16]
    assert REVOKED.entry() == LogEntry(kind=EntryKind.CONSENT_CHANGE, digest=change.digest(), tag=tag)


def test_a_change_of_one_consent_is_none_of_another() -> None:
    with pytest.raises(PeerError, match="another consent"):
        REVOKED.verify(SECOND, PERSON.passkey, PARTY)


def test_nobody_else_changes_a_consent() -> None:
    by_other = OTHER.change(CONSENT, What.RESUME, at=AT + 5)
    with pytest.raises(PeerError, match="passkey that signed it"):
        by_other.verify(CONSENT, OTHER.passkey, PARTY)
    with pytest.raises(SignatureInvalid):
        by_other.verify(CONSENT, PERSON.passkey, PARTY)


@pytest.mark.parametrize(
    "change", [{"what": What.RESUME}, {"at": AT + 6}, {"reason": Reason.OTHER}], ids=["what", "at", "reason"]
)
def test_a_change_altered_on_its_way_is_refused(change: dict[str, object]) -> None:
    altered = replace(REVOKED.claimed(), **change)  # type: ignore[arg-type]
    with pytest.raises(SignatureInvalid):
        replace(REVOKED, change=altered.encode()).verify(CONSENT, PERSON.passkey, PARTY)


def test_the_passkeys_word_on_the_consent_is_none_on_a_change() -> None:
    given = PERSON.sign(CONSENT, bytes(32)).assertion
    with pytest.raises(SignatureInvalid):
        replace(REVOKED, assertion=given).verify(CONSENT, PERSON.passkey, PARTY)
    with pytest.raises(MalformedMessage):
        replace(REVOKED, assertion=b"").verify(CONSENT, PERSON.passkey, PARTY)
