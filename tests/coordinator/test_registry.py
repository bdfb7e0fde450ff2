"""The bureau's models: proposed, approved, retired; and what scores are given by."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coordinator.database import SCHEMA
from coordinator.registry import ModelRegistry, ModelState
from crypto.documents import canonical_json
from crypto.errors import MalformedMessage, PeerError, ProtocolStateError, SignatureInvalid
from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from crypto.identity import Identity, ParticipantDocument
from crypto.paillier import MINIMUM_BITS
from models.hosting.storage.database import Database
from participants.model_store import model_version
from simulations.online_rehearsal import SetClock

BANK, DEPARTMENTS = ParticipantId("bank"), (ParticipantId("courts"), ParticipantId("tax"), ParticipantId("water"))
MODULUS = (1 << MINIMUM_BITS) - 3  # nobody decrypts under it, and it has no small factor


def document(name: ParticipantId) -> bytes:
    identity, role = Identity.generate(), Role.BANK if name == BANK else Role.DEPARTMENT
    bank = {"paillier_modulus": MODULUS, "lattice_key_fingerprint": bytes(32)} if role is Role.BANK else {}
    made = ParticipantDocument(participant_id=name, role=role, title=name, identity=identity.public, **bank)  # type: ignore[arg-type]
    return made.sign(identity)


DOCUMENTS = {name: document(name) for name in (*DEPARTMENTS, BANK)}


def manifest(run_id: str) -> bytes:
    blocks = {name: {"fingerprint": name.encode().hex().ljust(64, "0")} for name in DOCUMENTS}
    return canonical_json({"run_id": run_id, "blocks": blocks})


FIRST, SECOND = manifest("first"), manifest("second")


@pytest.fixture
def bureau(database_url: str) -> Iterator[Database]:
    database = Database(database_url, SCHEMA)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def registry(bureau: Database) -> ModelRegistry:
    """A registry with two models."""
    made = ModelRegistry(bureau, clock=SetClock(1000))
    for data in (FIRST, SECOND):
        made.propose(model_version(data), data, "a card", DOCUMENTS)
    return made


def test_scores_are_given_by_approved_models_only(registry: ModelRegistry) -> None:
    first, second = model_version(FIRST), model_version(SECOND)
    assert registry.served() == []
    registry.approve(second, by="Zhang San")
    (served,) = registry.served()
    assert (served.version, served.departments, set(served.banks)) == (second, DEPARTMENTS, {BANK})
    assert served.keys[BANK].modulus == MODULUS
    registry.approve(first)
    assert {model.version for model in registry.served()} == {first, second}
    registry.retire(second)
    assert [model.version for model in registry.served()] == [first]


@pytest.mark.usefixtures("registry")
def test_a_model_is_kept_with_its_card_fingerprints_and_times(bureau: Database) -> None:
    ModelRegistry(bureau, clock=SetClock(2000)).approve(model_version(FIRST), by="Zhang San")
    found = {model.version: model for model in ModelRegistry(bureau).models()}
    assert found.keys() == {model_version(FIRST), model_version(SECOND)}
    one = found[model_version(FIRST)]
    assert (one.run_id, one.manifest, one.card) == (RunId("first"), FIRST, "a card")
    assert (one.state, one.approved_by, one.proposed_at, one.approved_at) == ("approved", "Zhang San", 1000, 2000)
    assert one.fingerprints[DEPARTMENTS[0]] == b"courts".ljust(32, b"\0")
    assert found[model_version(SECOND)].state is ModelState.PROPOSED


def test_a_model_that_is_proposed_again_stays_as_far_as_it_came(registry: ModelRegistry) -> None:
    registry.approve(model_version(FIRST), by="Zhang San")
    registry.propose(model_version(FIRST), FIRST, "another card", DOCUMENTS)
    registry.approve(model_version(FIRST), by="Li Si")
    (one,) = (model for model in registry.models() if model.version == model_version(FIRST))
    assert (one.state, one.approved_by, one.card) == (ModelState.APPROVED, "Zhang San", "a card")


def test_a_retired_model_stays_retired(registry: ModelRegistry) -> None:
    registry.retire(model_version(FIRST))
    registry.retire(model_version(FIRST))
    with pytest.raises(ProtocolStateError):
        registry.approve(model_version(FIRST))
    assert registry.served() == []


def test_nothing_is_done_with_a_model_that_is_not_there(registry: ModelRegistry) -> None:
    for change in (registry.approve, registry.retire):
        with pytest.raises(PeerError):
            change(ModelVersion("0" * 32))


def test_a_manifest_of_another_version_or_documents_that_do_not_fit_are_refused(bureau: Database) -> None:
    registry, version = ModelRegistry(bureau), model_version(FIRST)
    with pytest.raises(MalformedMessage, match="its version"):
        registry.propose(version, SECOND, "", DOCUMENTS)
    with pytest.raises(MalformedMessage, match="without the documents"):
        registry.propose(version, FIRST, "", {BANK: DOCUMENTS[BANK]})
    with pytest.raises(MalformedMessage, match="another's"):
        registry.propose(version, FIRST, "", DOCUMENTS | {DEPARTMENTS[0]: DOCUMENTS[DEPARTMENTS[1]]})
    altered = DOCUMENTS[BANK].replace(b'"title":"bank"', b'"title":"cash"')
    with pytest.raises(SignatureInvalid):
        registry.propose(version, FIRST, "", DOCUMENTS | {BANK: altered})
    assert registry.models() == ()
