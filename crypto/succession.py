"""A new identity in place of an old one: the old one says so, with its last signature.

    a participant's document, signed by the new identity                    (two lines, `crypto.identity`)
    {"agreement_key": ..., "document": SHA-256 of it, "signing_key": ...}   (two lines, signed by the old identity)

| who                      | learns                                                       |
|--------------------------|--------------------------------------------------------------|
| who pinned the old       | that the same participant now has the new identity           |
| everybody else           | nothing it could use: the new fingerprint is still compared  |

Whoever holds the old identity could have signed this, so it is of use only while that one is trusted.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from crypto.documents import parse_canonical_json, sign_document, split_document
from crypto.errors import MalformedMessage
from crypto.identity import MAXIMUM_DOCUMENT_BYTES, Identity, ParticipantDocument, PublicIdentity, check_pinned
from crypto.labels import Label

MAXIMUM_ENDORSEMENT_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class HandOver:
    """What a participant hands over: its document and, after a change of identity, what the old one says of it.

    document: the signed document alone, as it travels later. endorsement: of the old identity, or nothing.
    """

    document: bytes
    endorsement: bytes = b""

    @classmethod
    def endorsed(cls, document: bytes, old: Identity) -> Self:
        """Return `document`, which a new identity signed, with the endorsement of the `old` identity."""
        fields = {
            "agreement_key": old.public.agreement_key.hex(),
            "document": hashlib.sha256(document).hexdigest(),
            "signing_key": old.public.signing_key.hex(),
        }
        return cls(document, sign_document(old, Label.DOCUMENT_SUCCESSION, fields))

    @classmethod
    def split(cls, data: bytes) -> Self:
        """Return the two parts of what was handed over; `MalformedMessage` if it is too long. Nothing is verified."""
        if len(data) > MAXIMUM_DOCUMENT_BYTES + MAXIMUM_ENDORSEMENT_BYTES:
            raise MalformedMessage("a document is too long")
        end = data.find(b"\n", data.find(b"\n") + 1) + 1
        return cls(data[:end], data[end:])

    def to_bytes(self) -> bytes:
        """Return both parts, one after the other."""
        return self.document + self.endorsement

    def verify_signed_by_itself(self) -> ParticipantDocument:
        """Return the document, signed by the identity that it names: the caller still has to trust that one.

        An endorsement, if there is one, is properly made, whoever made it. Raises `MalformedMessage` and
        `SignatureInvalid`.
        """
        body, _ = split_document(self.document, maximum_bytes=MAXIMUM_DOCUMENT_BYTES)
        named = _public_identity(parse_canonical_json(body, maximum_bytes=MAXIMUM_DOCUMENT_BYTES))
        document = ParticipantDocument.verify(self.document, named.fingerprint())
        if self.endorsement:
            self._endorser()
        return document

    def verify_endorsed_by(self, pinned_fingerprint: bytes) -> None:
        """Raise unless the identity that was pinned endorsed the document.

        `MalformedMessage` if there is no endorsement of this document in its one form, `SignatureInvalid` if its
        signature is wrong, `UntrustedKey` if another identity made it.
        """
        check_pinned(self._endorser(), pinned_fingerprint)

    def _endorser(self) -> PublicIdentity:
        """Return who says to have endorsed the document, after verifying that it did."""
        body, signature = split_document(self.endorsement, maximum_bytes=MAXIMUM_ENDORSEMENT_BYTES)
        fields = parse_canonical_json(body, maximum_bytes=MAXIMUM_ENDORSEMENT_BYTES)
        if fields.keys() != {"agreement_key", "document", "signing_key"}:
            raise MalformedMessage("an endorsement has other fields than it should")
        old = _public_identity(fields)
        old.verify(Label.DOCUMENT_SUCCESSION, body, signature)
        if fields["document"] != hashlib.sha256(self.document).hexdigest():
            raise MalformedMessage("an endorsement is of another document")
        return old


def _public_identity(fields: dict[str, object]) -> PublicIdentity:
    keys = []
    for name in ("signing_key", "agreement_key"):
        digits = fields.get(name)
        if not isinstance(digits, str) or len(digits) != 64 or digits.strip("0123456789abcdef"):
            raise MalformedMessage("a document does not name an identity")
        keys.append(bytes.fromhex(digits))
    return PublicIdentity(signing_key=keys[0], agreement_key=keys[1])
