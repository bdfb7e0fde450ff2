"""That a passkey is an enterprise's, by the word of a department that has seen who holds it.

An RFC 8785 document:

    {"at": seconds since 1970, "enterprise_id": ..., "passkey": `Passkey.encode`, in hexadecimal digits,
     "registrar": department, "signatory": {"name": ..., "role": ...}}

    digest    SHA-256(label ‖ 0x00 ‖ length of the document, 8 bytes ‖ document)

| who        | does                                                          | so nobody else can          |
|------------|---------------------------------------------------------------|-----------------------------|
| enterprise | its passkey signs the digest                                  | bind a key that it has not  |
| registrar  | looks who the person is, and signs the document               | make up an enterprise's key |
| bureau     | has the digest in the log, and who may be a registrar         | bind one in secret          |

Were the bureau to say whose passkey is whose, it could bind one of its own and consent in anybody's name. In practice a
registrar is the department that issues electronic business licences. A passkey that is lost is withdrawn by a
permission of the same registrar (`permission.py`), which everybody is shown.

Whoever is given the document learns whose passkey it is, and who signs for the enterprise. The log holds digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import msgspec

from crypto.documents import JsonObject, canonical_json
from crypto.errors import MalformedMessage, PeerError, SignatureInvalid, UntrustedKey
from crypto.identifiers import EnterpriseId, ParticipantId, parse_participant_id
from crypto.identity import Identity, PublicIdentity
from crypto.labels import Label, labelled
from crypto.passkeys import Assertion, Passkey, RelyingParty
from models.enterprise_id import parse_enterprise_id
from models.wire.codec import WireMessage
from models.wire.consent import Signatory, SignatoryRole
from models.wire.document_fields import (
    LATEST_TIME,
    bytes_of,
    fields_of,
    member_of,
    require_keys,
    require_number,
    require_same,
    text_of,
)
from models.wire.log_entry import EntryKind, LogEntry, tag_of_passkey

MAXIMUM_BINDING_BYTES: Final = 1 << 12
"""No binding is longer."""

MAXIMUM_ASSERTION_BYTES: Final = 1 << 12

Registrars = Mapping[ParticipantId, Collection[PublicIdentity]]
"""Who may say whose passkey is whose: the departments that are permitted to, each with its identities in force."""

_KEYS: Final = frozenset({"at", "enterprise_id", "passkey", "registrar", "signatory"})


def digest_of_binding(document: bytes) -> bytes:
    """The SHA-256 (32 bytes) of a binding's document."""
    return hashlib.sha256(labelled(Label.PASSKEY_BINDING, document)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyBinding:
    """Whose passkey this is from now on. at: seconds since 1970.

    signatory: the person, with the credential id of this passkey. Raises `MalformedMessage` if it has another.
    """

    enterprise_id: EnterpriseId
    passkey: Passkey
    signatory: Signatory
    registrar: ParticipantId
    at: int

    def __post_init__(self) -> None:
        parse_enterprise_id(self.enterprise_id)
        parse_participant_id(self.registrar)
        require_number("at", self.at, 0, LATEST_TIME)
        if self.signatory.credential_id != self.passkey.credential_id:
            raise MalformedMessage("a passkey is bound to a person who has another one")

    @property
    def tag(self) -> bytes:
        """What the log's entries about this passkey have in common: 16 bytes."""
        return tag_of_passkey(self.passkey.credential_id)

    def encode(self) -> bytes:
        """The document in its one form."""
        return canonical_json(self.fields())

    def digest(self) -> bytes:
        """The SHA-256 (32 bytes) that the passkey signs and that the log holds."""
        return digest_of_binding(self.encode())

    def fields(self) -> JsonObject:
        """What the document says."""
        return {
            "at": self.at,
            "enterprise_id": self.enterprise_id,
            "passkey": self.passkey.encode().hex(),
            "registrar": self.registrar,
            "signatory": {"name": self.signatory.name, "role": self.signatory.role.value},
        }

    @classmethod
    def decode(cls, data: bytes) -> PasskeyBinding:
        """The binding that `data` stands for; raises `MalformedMessage` for all that is not one in its one form."""
        fields = fields_of(data, maximum_bytes=MAXIMUM_BINDING_BYTES)
        require_keys(fields, _KEYS)
        person = fields["signatory"]
        if not isinstance(person, dict):
            raise MalformedMessage("the signatory of a binding is not an object")
        require_keys(person, frozenset({"name", "role"}))
        passkey = Passkey.decode(bytes_of(fields["passkey"]))
        binding = cls(
            enterprise_id=EnterpriseId(text_of(fields["enterprise_id"])),
            passkey=passkey,
            signatory=Signatory(
                name=text_of(person["name"]),
                role=member_of(SignatoryRole, person["role"]),
                credential_id=passkey.credential_id,
            ),
            registrar=ParticipantId(text_of(fields["registrar"])),
            at=fields["at"],
        )
        require_same(binding.encode(), data)
        return binding


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BindingRequest(WireMessage):
    """What an enterprise hands to a registrar: the binding that it wants, and the passkey's assertion over its digest.

    Nobody else has seen yet who the person is; that is what the registrar looks at before it signs.
    """

    MAXIMUM_BYTES: ClassVar[int] = 1 << 14
    document: Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_BINDING_BYTES)]
    assertion: Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_ASSERTION_BYTES)]

    def __repr__(self) -> str:
        return "<BindingRequest: of somebody>"

    def verify(self, registrar: ParticipantId, relying_party: RelyingParty) -> PasskeyBinding:
        """The binding, if it is for this registrar, and the passkey signed it.

        Raises `MalformedMessage`, `PeerError` and `SignatureInvalid`.
        """
        binding = PasskeyBinding.decode(self.document)
        if binding.registrar != registrar:
            raise PeerError(
                "a registration is for another registrar",
                advice="The enterprise names its registrar when it makes one: `yurong enterprise register`.",
            )
        Assertion.decode(self.assertion).verify(binding.passkey, binding.digest(), relying_party)
        return binding

    def signed_by(self, registrar: Identity) -> SignedBinding:
        """The binding under the registrar's signature."""
        return SignedBinding(
            document=self.document,
            assertion=self.assertion,
            registrar_signature=registrar.sign(Label.PASSKEY_REGISTRAR, self.document),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SignedBinding(WireMessage):
    """A binding, the passkey's assertion over its digest, and the registrar's signature."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 14
    document: Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_BINDING_BYTES)]
    assertion: Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_ASSERTION_BYTES)]
    registrar_signature: Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]

    def __repr__(self) -> str:
        return "<SignedBinding: of somebody>"

    @classmethod
    def sign(cls, binding: PasskeyBinding, assertion: Assertion, registrar: Identity) -> SignedBinding:
        """The binding under the registrar's signature. assertion: the passkey's over the digest."""
        return BindingRequest(document=binding.encode(), assertion=assertion.encode()).signed_by(registrar)

    def claimed(self) -> PasskeyBinding:
        """What it says, with nothing verified yet; raises `MalformedMessage`."""
        return PasskeyBinding.decode(self.document)

    def verify(self, registrars: Registrars, relying_party: RelyingParty) -> PasskeyBinding:
        """The binding, if it is what it should be.

        1. It is one document in its one form, else `MalformedMessage`.
        2. The registrar that it names is one of those who may, else `UntrustedKey`.
        3. That registrar signed these very bytes, else `SignatureInvalid`.
        4. The passkey itself signed the digest on our pages, else `SignatureInvalid`.
        """
        binding = self.claimed()
        identities = registrars.get(binding.registrar)
        if not identities:
            raise UntrustedKey(
                "a passkey is registered by a participant that may not register passkeys",
                advice="Have it registered by one that may: `yurong bureau permissions` shows who does.",
            )
        self._require_signed_by(identities)
        Assertion.decode(self.assertion).verify(binding.passkey, binding.digest(), relying_party)
        return binding

    def entry(self) -> LogEntry:
        """The log's entry for it; raises `MalformedMessage`. Nothing is verified."""
        binding = self.claimed()
        return LogEntry(kind=EntryKind.PASSKEY, digest=binding.digest(), tag=binding.tag)

    def _require_signed_by(self, identities: Collection[PublicIdentity]) -> None:
        for identity in identities:
            try:
                identity.verify(Label.PASSKEY_REGISTRAR, self.document, self.registrar_signature)
            except SignatureInvalid:
                continue
            return
        raise SignatureInvalid("a passkey was not registered by the registrar that it names")
