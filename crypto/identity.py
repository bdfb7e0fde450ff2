"""Who a participant is: an Ed25519 key that signs and an X25519 key that agrees on secrets.

| who       | holds                                                    |
|-----------|----------------------------------------------------------|
| owner     | `Identity`, the two private keys                         |
| all others| `PublicIdentity`, and pin its fingerprint                |
| bureau    | relays `ParticipantDocument`s and is not trusted for them|

Everybody who deals with a participant pins the fingerprint of its identity, compared once by another
channel. The participant's document is signed by that identity, so a bureau that relays documents can put
neither an identity of its own nor an encryption key of its own in a bank's place. A document has a serial: who pinned
one takes none that is older.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from crypto.certificates import check_certificate, check_node_key, parse_address
from crypto.documents import JsonObject, parse_canonical_json, sign_document, split_document
from crypto.errors import MalformedMessage, ProtocolStateError, SignatureInvalid, UntrustedKey
from crypto.identifiers import ParticipantId, Role, parse_participant_id
from crypto.labels import Label, labelled
from crypto.paillier import MAXIMUM_BITS, MINIMUM_BITS
from crypto.secret import Secret

KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
MAXIMUM_DOCUMENT_BYTES: Final = 1 << 14
MAXIMUM_TITLE_CHARACTERS: Final = 200
MAXIMUM_SERIAL: Final = (1 << 31) - 1

_COMMON_FIELDS: Final = frozenset(
    {
        "address",
        "agreement_key",
        "certificate",
        "node_key",
        "participant_id",
        "role",
        "serial",
        "signing_key",
        "title",
    }
)
_BANK_FIELDS: Final = _COMMON_FIELDS | {"lattice_key_fingerprint", "paillier_modulus"}

_FIELD_PRIME: Final = 2**255 - 19
# The y coordinates of the eight Ed25519 points whose order divides 8: under such a "key" one signature
# passes for many messages. The last two are the y of order 8 and its negative.
_Y_OF_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y: Final = frozenset({0, 1, _FIELD_PRIME - 1, _Y_OF_ORDER_8, _FIELD_PRIME - _Y_OF_ORDER_8})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicIdentity:
    """The public half of an identity; `MalformedMessage` if either key is no proper key.

    signing_key: Ed25519, 32 bytes. agreement_key: X25519, 32 bytes.
    """

    signing_key: bytes
    agreement_key: bytes

    def __post_init__(self) -> None:
        if len(self.signing_key) != KEY_BYTES or len(self.agreement_key) != KEY_BYTES:
            raise MalformedMessage("a public key is 32 bytes")
        y = int.from_bytes(self.signing_key, "little") & ((1 << 255) - 1)
        if y >= _FIELD_PRIME or y in _SMALL_ORDER_Y:
            raise MalformedMessage("a signing key is not a proper point of the curve")
        u = int.from_bytes(self.agreement_key, "little")
        if u >= _FIELD_PRIME:
            raise MalformedMessage("an agreement key is not in canonical form")
        # A point of small order gives the agreement zero with every scalar, which the library refuses.
        agree(X25519PrivateKey.from_private_bytes(bytes(KEY_BYTES)), self)

    def verify(self, label: Label, message: bytes, signature: bytes) -> None:
        """Raise `SignatureInvalid` unless this identity signed `message` under `label`.

        By libsodium, which takes half of OpenSSL's time and refuses points of small order in signatures as well.
        """
        if len(signature) == _SIGNATURE_BYTES:
            with suppress(BadSignatureError):
                crypto_sign_open(signature + labelled(label, message), self.signing_key)
                return
        raise SignatureInvalid("the signature is not of this identity over these bytes")

    def fingerprint(self) -> bytes:
        """Return the SHA-256 (32 bytes) over both keys: what others pin."""
        framed = labelled(Label.IDENTITY_FINGERPRINT, self.signing_key, self.agreement_key)
        return hashlib.sha256(framed).digest()

    def display_fingerprint(self) -> str:
        """Return the fingerprint as 16 groups of four hexadecimal digits, to be read out on the telephone."""
        return display_fingerprint(self.fingerprint())


class Identity(Secret):
    """A participant's private keys. Stays in the process of its owner."""

    __slots__ = ("_agreement", "_signing", "public")

    public: PublicIdentity

    def __init__(self, signing: Ed25519PrivateKey, agreement: X25519PrivateKey) -> None:
        self._signing = signing
        self._agreement = agreement
        self.public = PublicIdentity(
            signing_key=signing.public_key().public_bytes_raw(),
            agreement_key=agreement.public_key().public_bytes_raw(),
        )

    @classmethod
    def generate(cls) -> Self:
        """Return a new identity from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())

    @classmethod
    def from_private_bytes(cls, data: bytes) -> Self:
        """Return the identity that `to_private_bytes` gave; `MalformedMessage` for another length."""
        if len(data) != 2 * KEY_BYTES:
            raise MalformedMessage("a private identity is 64 bytes")
        return cls(
            Ed25519PrivateKey.from_private_bytes(data[:KEY_BYTES]),
            X25519PrivateKey.from_private_bytes(data[KEY_BYTES:]),
        )

    def to_private_bytes(self) -> bytes:
        """Return both private keys (64 bytes): Ed25519 seed, X25519 scalar."""
        return self._signing.private_bytes_raw() + self._agreement.private_bytes_raw()

    def sign(self, label: Label, message: bytes) -> bytes:
        """Return the Ed25519 signature (64 bytes) over `message` under `label`."""
        return self._signing.sign(labelled(label, message))

    def sign_text(self, text: bytes) -> bytes:
        """Return the Ed25519 signature (64 bytes) over a text as it is, as C2SP's notes want it.

        What we sign under a label has a zero byte in it, and no text has: raises `ProtocolStateError` for one.
        """
        if b"\0" in text:
            raise ProtocolStateError("a text has no zero byte")
        return self._signing.sign(text)

    def agree(self, peer: PublicIdentity) -> bytes:
        """Return the X25519 agreement (32 bytes) with `peer`. It goes through a key derivation before use."""
        return agree(self._agreement, peer)

    def private_agreement_key(self) -> X25519PrivateKey:
        """Return the private X25519 key, for `crypto.sealed`."""
        return self._agreement


def agree(private: X25519PrivateKey, peer: PublicIdentity) -> bytes:
    """Return the X25519 agreement; `MalformedMessage` if the peer's point is of small order."""
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(peer.agreement_key))
    except ValueError as error:
        raise MalformedMessage("an agreement key is a point of small order") from error


def display_fingerprint(fingerprint: bytes) -> str:
    """Return a fingerprint (32 bytes) as 16 groups of four hexadecimal digits."""
    digits = fingerprint.hex()
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def parse_fingerprint(text: str) -> bytes:
    """Return the 32 bytes of a fingerprint typed by a human, spaces and capitals allowed."""
    digits = "".join(text.split()).lower()
    if len(digits) != 2 * KEY_BYTES or digits.strip("0123456789abcdef"):
        raise MalformedMessage(
            "a fingerprint is 64 hexadecimal digits", advice="The other side reads it off `document`."
        )
    return bytes.fromhex(digits)


def check_pinned(identity: PublicIdentity, pinned_fingerprint: bytes) -> None:
    """Raise `UntrustedKey` unless `identity` is the one that was pinned."""
    if identity.fingerprint() != pinned_fingerprint:
        raise UntrustedKey(
            "the identity is not the one that was pinned",
            advice="Compare the fingerprints with the other side by telephone before you pin a new one.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantDocument:
    """What a participant says of itself; `MalformedMessage` if it contradicts itself.

    participant_id, role, title: who it is, the title for people.
    identity: its public identity, which signs the document.
    serial: 1 to 2^31 - 1; each document of a participant has a higher one than those before it.
    address: where its HTTPS service listens, `https://host:port`, or nothing.
    certificate: its TLS certificate for that host (`crypto.certificates`; DER), exactly if it has an address.
    node_key: public key of its Flower node (P-384, DER SubjectPublicKeyInfo), or nothing. The bureau has none.
    paillier_modulus: n, 3072 to 4096 bits. Banks only, and every bank.
    lattice_key_fingerprint: SHA-256 (32 bytes) of its BFV public key. Banks only, and every bank.
    """

    participant_id: ParticipantId
    role: Role
    title: str
    identity: PublicIdentity
    serial: int = 1
    address: str = ""
    certificate: bytes = b""
    node_key: bytes = b""
    paillier_modulus: int | None = None
    lattice_key_fingerprint: bytes | None = None

    def __post_init__(self) -> None:
        parse_participant_id(self.participant_id)
        if not 1 <= len(self.title) <= MAXIMUM_TITLE_CHARACTERS or not self.title.isprintable():
            raise MalformedMessage("a participant's title is 1 to 200 printable characters")
        is_bank = self.role is Role.BANK
        if (self.paillier_modulus is not None) is not is_bank:
            raise MalformedMessage("a bank's document names a Paillier key, and no other's does")
        if (self.lattice_key_fingerprint is not None) is not is_bank:
            raise MalformedMessage("a bank's document names a lattice key, and no other's does")
        self._check_keys()

        self._check_node()

    def _check_node(self) -> None:
        if not 1 <= self.serial <= MAXIMUM_SERIAL:
            raise MalformedMessage("a document's serial is 1 to 2147483647")
        if (self.address == "") is not (self.certificate == b""):
            raise MalformedMessage("a document has an address and a certificate, or neither")
        if self.address:
            check_certificate(self.certificate, parse_address(self.address).host)
        if self.node_key:
            if self.role is Role.BUREAU:
                raise MalformedMessage("the bureau has no node key")
            check_node_key(self.node_key)

    def _check_keys(self) -> None:
        modulus, fingerprint = self.paillier_modulus, self.lattice_key_fingerprint
        if modulus is not None and not MINIMUM_BITS <= modulus.bit_length() <= MAXIMUM_BITS:
            raise MalformedMessage("a Paillier modulus has 3072 to 4096 bits")
        if modulus is not None and modulus < 0:
            raise MalformedMessage("a Paillier modulus is positive")
        if fingerprint is not None and len(fingerprint) != KEY_BYTES:
            raise MalformedMessage("a lattice key's fingerprint is 32 bytes")

    def sign(self, identity: Identity) -> bytes:
        """Return the document signed by `identity`, which must be the one it names."""
        check_pinned(self.identity, identity.public.fingerprint())
        return sign_document(identity, Label.PARTICIPANT_DOCUMENT, self._fields())

    @classmethod
    def verify(cls, data: bytes, pinned_fingerprint: bytes) -> Self:
        """Return the document in `data`.

        1. The bytes are one canonical document within its bounds, else `MalformedMessage`.
        2. The identity in it is the pinned one, else `UntrustedKey`.
        3. That identity signed these very bytes, else `SignatureInvalid`.
        """
        body, signature = split_document(data, maximum_bytes=MAXIMUM_DOCUMENT_BYTES)
        document = cls._from_fields(parse_canonical_json(body, maximum_bytes=MAXIMUM_DOCUMENT_BYTES))
        check_pinned(document.identity, pinned_fingerprint)
        document.identity.verify(Label.PARTICIPANT_DOCUMENT, body, signature)
        return document

    def _fields(self) -> dict[str, str | int]:
        fields: dict[str, str | int] = {
            "address": self.address,
            "agreement_key": self.identity.agreement_key.hex(),
            "certificate": self.certificate.hex(),
            "node_key": self.node_key.hex(),
            "participant_id": str(self.participant_id),
            "role": str(self.role),
            "serial": self.serial,
            "signing_key": self.identity.signing_key.hex(),
            "title": self.title,
        }
        if self.paillier_modulus is not None and self.lattice_key_fingerprint is not None:
            # Hexadecimal: a JSON number of this size is not portable (RFC 8785, appendix D).
            fields["paillier_modulus"] = f"{self.paillier_modulus:x}"
            fields["lattice_key_fingerprint"] = self.lattice_key_fingerprint.hex()
        return fields

    @classmethod
    def _from_fields(cls, fields: JsonObject) -> Self:
        if fields.keys() not in (_COMMON_FIELDS, _BANK_FIELDS):
            raise MalformedMessage("a participant's document has other fields than it should")
        if not all(type(value) is (int if name == "serial" else str) for name, value in fields.items()):
            raise MalformedMessage("a participant's document holds values of another type than it should")
        try:
            role = Role(fields["role"])
        except ValueError as error:
            raise MalformedMessage("a participant's role is none that we know") from error
        bank: dict[str, Any] = {}
        if "paillier_modulus" in fields:
            bank["paillier_modulus"] = int.from_bytes(_unhex(fields["paillier_modulus"]), "big")
            bank["lattice_key_fingerprint"] = _unhex(fields["lattice_key_fingerprint"])
        document = cls(
            participant_id=parse_participant_id(fields["participant_id"]),
            role=role,
            title=fields["title"],
            identity=PublicIdentity(
                signing_key=_unhex(fields["signing_key"]), agreement_key=_unhex(fields["agreement_key"])
            ),
            serial=fields["serial"],
            address=fields["address"],
            certificate=_unhex(fields["certificate"]),
            node_key=_unhex(fields["node_key"]),
            **bank,
        )
        if document._fields() != fields:
            raise MalformedMessage("a participant's document is not in canonical form")
        return document


def _unhex(digits: str) -> bytes:
    if len(digits) % 2 == 1:
        digits = "0" + digits
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise MalformedMessage("a field is not hexadecimal") from error
