"""The log's entry for a document of any kind, for whoever has the document and wants to know where it is logged.

| kind                     | document                                                                             |
|--------------------------|--------------------------------------------------------------------------------------|
| public kinds             | as all are shown it (`models.wire.logged`)                                           |
| `PASSKEY`                | `SignedBinding`                                                                      |
| `CONSENT`                | a consent, or the `ConsentBundle` that it is in                                      |
| `REQUEST`                | the bank's signed statement                                                          |
| `REFUSAL`                | what the bureau signed                                                               |

An answer's entry is over two digests (`ANSWER`): whoever got it has both, and shows the entry.
"""

from __future__ import annotations

from typing import Final

from models.wire.consent import Consent
from models.wire.consent_bundle import ConsentBundle
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.logged import entry_of
from models.wire.passkey_binding import SignedBinding
from models.wire.refusal import Refusal
from models.wire.score_statement import SignedStatement

MAXIMUM_DOCUMENT_BYTES: Final = 1 << 20


def entry_of_document(kind: EntryKind, document: bytes) -> LogEntry:
    """The entry of a document; raises `MalformedMessage` for one that is not of this kind. Nothing is verified."""
    match kind:
        case EntryKind.PASSKEY:
            return SignedBinding.decode(document).entry()
        case EntryKind.CONSENT:
            if document[:1] == b"{":
                return LogEntry(kind=kind, digest=Consent.decode(document).digest())
            return ConsentBundle.decode(document).consent_entry
        case EntryKind.REQUEST:
            return SignedStatement.read(document).claimed.entry(document)
        case EntryKind.REFUSAL:
            Refusal.claimed(document)
            return Refusal.entry(document)
        case _:
            return entry_of(kind, document)
