"""The log's entry for a document of any kind, as those compute it who put it there."""

import pytest

from crypto.errors import MalformedMessage
from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.identity import Identity
from crypto.passkeys import RelyingParty
from models.log.entries import entry_of_document
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry
from models.wire.permission import Action, Permission, Subject
from models.wire.refusal import Refusal
from simulations.enterprise.signatory import Signatory

PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
BUREAU, TAX = ParticipantId("bureau"), ParticipantId("tax")
PROVIDERS = tuple(map(ParticipantId, ("tax", "court", "customs")))
SIGNER = Identity.generate()
AT = 1_800_000_000


def test_documents_lead_to_the_entries_that_are_logged_for_them() -> None:
    person = Signatory.create(EnterpriseId("91509900MA0000007U"), PARTY)
    binding = person.binding(SIGNER, TAX, at=AT)
    bundle = person.consent(ParticipantId("bank"), PROVIDERS, created_at=AT)
    refusal = Refusal(bureau=BUREAU, department=TAX, problem="no-use-left", request=bytes(32), at=AT).sign(SIGNER)
    subject = Subject(action=Action.REGISTER_PASSKEYS, grantor=BUREAU, grantee=TAX)
    permission = Permission(subject=subject, granted=True, at=AT).sign(SIGNER)
    documents: list[tuple[EntryKind, bytes, LogEntry]] = [
        (EntryKind.PASSKEY, binding.encode(), binding.entry()),
        (EntryKind.CONSENT, bundle.encode(), bundle.consent_entry),
        (EntryKind.CONSENT, bundle.consent, bundle.consent_entry),
        (EntryKind.REFUSAL, refusal, Refusal.entry(refusal)),
        (EntryKind.PERMISSION, permission, Permission.entry(permission)),
    ]
    for kind, document, entry in documents:
        assert entry_of_document(kind, document) == entry
    for kind in EntryKind:
        for own, document, _ in documents:
            if kind is not own:
                with pytest.raises(MalformedMessage):
                    entry_of_document(kind, document)
    assert EntryKind.ANSWER not in PUBLIC
