"""A bureau that relays participants' documents and puts a key of its own in a bank's place."""

from dataclasses import replace

from crypto.documents import parse_canonical_json, split_document
from crypto.identity import Identity, ParticipantDocument, PublicIdentity
from crypto.labels import Label
from crypto.sealed import seal, unseal

_CONTEXT = b"partial of one enterprise"


class RelayingBureau:
    """Swaps the identity in a bank's document for its own, and signs the result: a perfectly valid document."""

    def __init__(self) -> None:
        self._identity = Identity.generate()

    def swap(self, document: bytes) -> bytes:
        """Return the document as the bureau hands it on."""
        body, _ = split_document(document)
        bank = PublicIdentity(
            signing_key=bytes.fromhex(parse_canonical_json(body)["signing_key"]),
            agreement_key=bytes.fromhex(parse_canonical_json(body)["agreement_key"]),
        )
        honest = ParticipantDocument.verify(document, bank.fingerprint())
        return replace(honest, identity=self._identity.public).sign(self._identity)

    def open(self, sealed: bytes) -> bytes:
        """Return what a department meant for the bank."""
        return unseal(self._identity, sealed, label=Label.SEALED_ANSWER, context=_CONTEXT)


class TrustingDepartment:
    """The weakened side: it checks the signature against the identity in the very same document."""

    def seal_partial(self, document: bytes, partial: bytes) -> bytes:
        """Seal `partial` to whom the document names."""
        body, _ = split_document(document)
        fields = parse_canonical_json(body)
        named = PublicIdentity(
            signing_key=bytes.fromhex(fields["signing_key"]), agreement_key=bytes.fromhex(fields["agreement_key"])
        )
        trusted = ParticipantDocument.verify(document, named.fingerprint())
        return seal(trusted.identity, partial, label=Label.SEALED_ANSWER, context=_CONTEXT)
