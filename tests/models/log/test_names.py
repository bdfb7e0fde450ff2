"""Whose keys verify a log: the bureau's and the departments', from pinned documents."""

import pytest

from crypto.errors import SignatureInvalid, UntrustedKey
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.cosignature import cosign
from crypto.transparency.errors import TooFewWitnesses
from crypto.transparency.note import KeyUse, Note, NoteKey, NoteSignature
from models.log.names import log_keys, majority, origin_of, trusted_log, witness_keys, witness_name

BUREAU, BANK = ParticipantId("bureau"), ParticipantId("bank")
DEPARTMENTS = tuple(map(ParticipantId, ("court", "customs", "tax", "water")))
IDENTITIES = {name: Identity.generate() for name in (BUREAU, BANK, *DEPARTMENTS)}


def document(name: ParticipantId, role: Role, identity: Identity | None = None) -> ParticipantDocument:
    of_bank = {"paillier_modulus": (1 << 3071) + 1, "lattice_key_fingerprint": bytes(32)} if role is Role.BANK else {}
    return ParticipantDocument(
        participant_id=name,
        role=role,
        title=name,
        identity=(identity or IDENTITIES[name]).public,
        **of_bank,  # type: ignore[arg-type]
    )


PINNED = {
    BUREAU: (document(BUREAU, Role.BUREAU),),
    BANK: (document(BANK, Role.BANK),),
    **{name: (document(name, Role.DEPARTMENT),) for name in reversed(DEPARTMENTS)},
}
TEXT = Checkpoint("yurong.log/bureau", 3, b"r" * 32).encode()


def note_by(signer: Identity, *witnesses: ParticipantId) -> Note:
    key = NoteKey(origin_of(BUREAU), KeyUse.TEXT, signer.public.signing_key)
    note = Note(TEXT, (NoteSignature(key.name, key.key_id, signer.sign_text(TEXT)),))
    for name in witnesses:
        own = NoteKey(witness_name(name), KeyUse.COSIGNATURE, IDENTITIES[name].public.signing_key)
        note = note.with_signatures([cosign(TEXT, own, IDENTITIES[name].sign_text, at=1_800_000_000)])
    return note


def test_names_say_what_they_are_of() -> None:
    assert origin_of(BUREAU) == "yurong.log/bureau"
    assert witness_name(ParticipantId("tax")) == "yurong.witness/tax"


def test_departments_alone_are_witnesses_each_by_all_its_documents_in_force() -> None:
    assert [key.name for key in witness_keys(PINNED)] == [f"yurong.witness/{name}" for name in DEPARTMENTS]
    tax = ParticipantId("tax")
    two = PINNED | {tax: (*PINNED[tax], document(tax, Role.DEPARTMENT, Identity.generate()))}
    assert [key.name for key in witness_keys(two)].count("yurong.witness/tax") == 2
    assert trusted_log(BUREAU, two).quorum == trusted_log(BUREAU, PINNED).quorum == 3


@pytest.mark.parametrize(("count", "more_than_half"), [(1, 1), (2, 2), (3, 2), (4, 3), (26, 14)])
def test_a_majority_is_more_than_half(count: int, more_than_half: int) -> None:
    assert majority(count) == more_than_half


def test_a_checkpoint_counts_if_the_bureau_signed_and_a_majority_cosigned_it() -> None:
    log = trusted_log(BUREAU, PINNED)
    assert log.checkpoint(note_by(IDENTITIES[BUREAU], *DEPARTMENTS[:3])).size == 3
    with pytest.raises(TooFewWitnesses):
        log.checkpoint(note_by(IDENTITIES[BUREAU], *DEPARTMENTS[:2]))
    with pytest.raises(SignatureInvalid):
        log.checkpoint(note_by(IDENTITIES[BANK], *DEPARTMENTS))
    assert trusted_log(BUREAU, PINNED, 1).checkpoint(note_by(IDENTITIES[BUREAU], DEPARTMENTS[0])).size == 3


def test_nobody_but_the_bureau_has_keys_of_the_log() -> None:
    with pytest.raises(UntrustedKey):
        log_keys(BUREAU, PINNED[BANK])
    with pytest.raises(UntrustedKey):
        trusted_log(BANK, PINNED)
    with pytest.raises(UntrustedKey, match="not pinned"):
        trusted_log(ParticipantId("other"), PINNED)
