"""The person who signs for a simulated enterprise: bounds from the rules, chains of consents, and speed enough."""

from time import perf_counter

import pytest

from crypto.errors import MalformedMessage
from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.identity import Identity
from crypto.passkeys import RelyingParty
from models.consent.rules import packaged_rules, require_within_rules
from models.wire.consent import Computation, Purpose, ReasonsOpenedBy
from simulations.enterprise.errors import NothingToSign
from simulations.enterprise.signatory import Bounds, Signatory

PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
MARKET, BANK = ParticipantId("market-regulation"), ParticipantId("bank")
PROVIDERS = tuple(map(ParticipantId, ("tax", "court", "customs")))
REGISTRAR = Identity.generate()
AT = 1_800_000_000
ALLOWED = [(purpose, one) for purpose, many in packaged_rules().computations.items() for one in sorted(many)]


def person() -> Signatory:
    made = Signatory.create(EnterpriseId("91509900MA0000007U"), PARTY)
    made.binding(REGISTRAR, MARKET, at=AT)
    return made


@pytest.mark.parametrize(("purpose", "computation"), ALLOWED)
def test_without_a_choice_a_consent_is_to_all_that_its_rule_allows(purpose: Purpose, computation: Computation) -> None:
    opened_by = ReasonsOpenedBy.BOTH if computation is Computation.SCORE_WITH_REASONS else None
    signatory = person()
    consent = signatory.consent(
        BANK, PROVIDERS, created_at=AT, purpose=purpose, computation=computation, reasons_opened_by=opened_by
    ).claimed()
    require_within_rules(consent, packaged_rules())
    rule = packaged_rules().rule_for(purpose, computation)
    assert rule is not None
    assert (consent.maximum_uses, consent.rule_id) == (rule.maximum_uses, rule.rule_id)
    assert consent.expires_at == AT + rule.life_days * 86_400
    own = signatory.reasons_key.public_key().public_bytes_raw()
    assert consent.reasons_key == (own if opened_by else None)


def test_a_person_chooses_less() -> None:
    bounds = Bounds(starts_at=AT + 5, valid_for_seconds=60, maximum_uses=2, uses_a_month=1, result_life_days=3)
    consent = person().consent(BANK, PROVIDERS, created_at=AT, bounds=bounds).claimed()
    assert (consent.valid_from, consent.expires_at) == (AT + 5, AT + 60)
    assert (consent.maximum_uses, consent.uses_a_month, consent.result_life_days) == (2, 1, 3)
    once = person().consent(BANK, PROVIDERS, created_at=AT, bounds=Bounds(maximum_uses=1)).claimed()
    assert once.uses_a_month == 1


def test_a_new_consent_follows_the_one_whose_place_it_takes() -> None:
    signatory = person()
    first = signatory.consent(BANK, PROVIDERS, created_at=AT).claimed()
    second = signatory.consent(BANK, PROVIDERS, created_at=AT + 9, following=first).claimed()
    assert (second.version, second.previous_consent_id) == (2, first.consent_id)


def test_nobody_signs_before_the_passkey_is_registered_nor_what_has_no_form() -> None:
    with pytest.raises(NothingToSign):
        Signatory.create(EnterpriseId("91509900MA0000007U"), PARTY).consent(BANK, PROVIDERS, created_at=AT)
    with pytest.raises(MalformedMessage):
        person().consent(BANK, PROVIDERS[:2], created_at=AT)


def test_a_thousand_consents_are_made_in_a_few_seconds() -> None:
    signatory = person()
    began = perf_counter()
    bundles = [signatory.consent(BANK, PROVIDERS, created_at=AT + 1) for _ in range(1000)]
    assert perf_counter() - began < 20
    assert len({one.use_key for one in bundles}) == len({one.claimed().consent_id for one in bundles}) == 1000
