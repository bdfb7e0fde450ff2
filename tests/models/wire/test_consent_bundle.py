"""A consent with its proofs: nobody but the enterprise's passkey makes one, and no part of one serves another."""

from dataclasses import replace
from typing import Any

import pytest

from crypto.errors import PeerError, SignatureInvalid, UntrustedKey
from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.identity import Identity
from crypto.passkeys import Assertion, Passkey, RelyingParty
from models.wire.consent import Purpose, SignatoryRole
from models.wire.consent_bundle import ConsentBundle
from models.wire.log_entry import EntryKind, LogEntry, use_key_digest
from models.wire.passkey_binding import Registrars
from simulations.authenticator import Conduct
from simulations.enterprise.signatory import Signatory

PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
ENTERPRISE, OTHER = EnterpriseId("91509900MA0000007U"), EnterpriseId("91509900MA0000015N")
MARKET, BANK = ParticipantId("market-regulation"), ParticipantId("bank")
PROVIDERS = tuple(map(ParticipantId, ("tax", "court", "customs")))
REGISTRAR = Identity.generate()
REGISTRARS: Registrars = {MARKET: (REGISTRAR.public,)}
AT = 1_800_000_000


def person(enterprise: EnterpriseId = ENTERPRISE, **known: Any) -> Signatory:
    made = Signatory.create(enterprise, PARTY, **known)
    made.binding(REGISTRAR, MARKET, at=AT)
    return made


PERSON = person()
BUNDLE = PERSON.consent(BANK, PROVIDERS, created_at=AT + 60)
CONSENT = BUNDLE.claimed()


def refused(bundle: ConsentBundle, error: type[PeerError], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        bundle.verify(REGISTRARS, PARTY)
    assert ENTERPRISE not in str(caught.value)
    assert "王" not in str(caught.value)


def test_what_the_passkey_signed_verifies_and_is_logged_by_its_digests() -> None:
    again = ConsentBundle.decode(BUNDLE.encode())
    assert again.verify(REGISTRARS, PARTY) == CONSENT
    assert again.consent_entry == LogEntry(kind=EntryKind.CONSENT, digest=CONSENT.digest())
    assert again.binding_entry == BUNDLE.binding.entry()
    assert CONSENT.use_key_sha256 == use_key_digest(BUNDLE.use_key)


def test_a_bureau_makes_up_no_consent() -> None:
    """It knows the enterprise and its passkey's public half, has a passkey of its own, and cannot be a registrar."""
    bureau, own = Identity.generate(), Signatory.create(ENTERPRISE, PARTY)
    own.binding(bureau, MARKET, at=AT)
    made_up = own.consent(BANK, PROVIDERS, created_at=AT)
    made_up.verify({MARKET: (bureau.public,)}, PARTY)  # if it were believed
    refused(made_up, SignatureInvalid, "not registered")
    # With the enterprise's own binding in place of the made-up one.
    refused(replace(made_up, binding=BUNDLE.binding), PeerError, "another signatory or passkey")
    same_name = replace(made_up.claimed(), signatory=CONSENT.signatory)
    signed = replace(own.sign(same_name, made_up.use_key), binding=BUNDLE.binding)
    refused(signed, SignatureInvalid, "passkey did not sign")


@pytest.mark.parametrize(
    "change",
    [
        {"recipient": ParticipantId("another-bank")},
        {"purpose": Purpose.MONITORING},
        {"maximum_uses": 1_000},
        {"expires_at": CONSENT.expires_at + 1},
        {"providers": (*sorted(PROVIDERS), ParticipantId("water"))},
    ],
    ids=["recipient", "purpose", "maximum_uses", "expires_at", "providers"],
)
def test_a_consent_altered_by_whoever_has_it_is_refused(change: dict[str, Any]) -> None:
    altered = replace(BUNDLE, consent=replace(CONSENT, **change).encode())
    refused(altered, SignatureInvalid, "another challenge")


def test_a_passkey_signs_for_its_own_enterprise_alone() -> None:
    other = person(OTHER)
    borrowed = other.sign(replace(CONSENT, signatory=other.named), BUNDLE.use_key)
    refused(borrowed, PeerError, "another one's passkey")


def test_a_consent_names_the_signatory_who_was_registered() -> None:
    for change in ({"name": "王小红"}, {"role": SignatoryRole.AUTHORISED_AGENT}):
        named = replace(CONSENT.signatory, **change)
        refused(PERSON.sign(replace(CONSENT, signatory=named), BUNDLE.use_key), PeerError, "another signatory")


def test_two_passkeys_of_one_enterprise_are_not_exchanged() -> None:
    second = person()
    refused(
        replace(BUNDLE, binding=second.binding(REGISTRAR, MARKET, at=AT)), PeerError, "another signatory or passkey"
    )
    same_id = Passkey(
        credential_id=PERSON.passkey.credential_id,
        public_key=second.passkey.public_key,
        relying_party_id=PARTY.relying_party_id,
    )
    second.authenticator.passkey = same_id
    swapped = second.binding(REGISTRAR, MARKET, at=AT)
    assert swapped.verify(REGISTRARS, PARTY).passkey == same_id
    refused(replace(BUNDLE, binding=swapped), SignatureInvalid, "passkey did not sign")


def test_a_consent_is_not_older_than_its_passkey() -> None:
    assert PERSON.consent(BANK, PROVIDERS, created_at=AT).verify(REGISTRARS, PARTY).created_at == AT
    refused(PERSON.consent(BANK, PROVIDERS, created_at=AT - 1), PeerError, "older than the registration")


def test_a_use_key_that_was_exchanged_is_refused() -> None:
    """Else a bank could hide its uses from the enterprise, which looks for them by the key that it made."""
    refused(replace(BUNDLE, use_key=bytes(32)), PeerError, "another use key")


def test_registrars_without_permission_and_other_pages_count_for_nothing() -> None:
    with pytest.raises(UntrustedKey):
        BUNDLE.verify({ParticipantId("tax"): (REGISTRAR.public,)}, PARTY)
    elsewhere = RelyingParty(relying_party_id="credit.example", origins=("https://other.credit.example",))
    with pytest.raises(SignatureInvalid):
        BUNDLE.verify(REGISTRARS, elsewhere)


def test_a_person_who_was_not_verified_consents_to_nothing() -> None:
    assertion = PERSON.authenticator.sign(CONSENT.digest(), Conduct(user_verified=False))
    refused(replace(BUNDLE, assertion=assertion.encode()), SignatureInvalid, "did not sign this as it should")
    binding_signed = Assertion.decode(BUNDLE.binding.assertion)
    refused(replace(BUNDLE, assertion=binding_signed.encode()), SignatureInvalid, "another challenge")


def test_what_is_shown_of_a_bundle_is_nothing() -> None:
    assert repr(BUNDLE) == "<ConsentBundle: secret>"
