"""An authenticator and the browser around it, in software: what signs for a simulated enterprise.

It gives the bytes that a browser gives, and they go through the same verification (`crypto.passkeys`). It writes
them by itself, so that a slip in how we read them is not made twice. `Conduct` makes it misbehave, for tests.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Any, Final, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto.errors import MalformedMessage, ProtocolStateError
from crypto.passkeys import Assertion, Passkey, PasskeyAlgorithm, PasskeyRegistration, RelyingParty
from crypto.secret import Secret

_PRESENT: Final = 0x01
_VERIFIED: Final = 0x04
_ATTESTED: Final = 0x40
_CREDENTIAL_ID_BYTES: Final = 32
_PRIVATE_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How authenticator and browser behave: without arguments as they should.

    user_present, user_verified: the flags that the authenticator sets.
    origin, relying_party_id, challenge, kind: what is said instead of the truth, if not empty.
    cross_origin: whether the page was in another site's frame; None leaves the field out, as old browsers do.
    more: fields added to the client data, as future browsers may.
    """

    user_present: bool = True
    user_verified: bool = True
    origin: str = ""
    relying_party_id: str = ""
    challenge: bytes = b""
    kind: str = ""
    cross_origin: bool | None = False
    more: tuple[tuple[str, Any], ...] = ()


HONEST: Final = Conduct()
"""As it should be."""


class SoftwareAuthenticator(Secret):
    """One passkey for one relying party, private key included.

    passkey: its public half. counter: how often it signed; 0 for ever if it does not count, as synced passkeys do not.
    """

    __slots__ = ("_counts", "_key", "_relying_party", "counter", "passkey")

    passkey: Passkey
    counter: int

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey,
        relying_party: RelyingParty,
        *,
        counts: bool,
        credential_id: bytes | None = None,
    ) -> None:
        self._key = key
        self._relying_party = relying_party
        self._counts = counts
        self.counter = 0
        self.passkey = Passkey(
            credential_id=credential_id or secrets.token_bytes(_CREDENTIAL_ID_BYTES),
            public_key=_cose_key(key),
            relying_party_id=relying_party.relying_party_id,
        )

    @classmethod
    def create(
        cls,
        relying_party: RelyingParty,
        *,
        algorithm: PasskeyAlgorithm = PasskeyAlgorithm.ES256,
        counts: bool = False,
    ) -> Self:
        """Return one with a new passkey from the operating system's randomness."""
        if algorithm is PasskeyAlgorithm.ES256:
            return cls(ec.generate_private_key(ec.SECP256R1()), relying_party, counts=counts)
        return cls(Ed25519PrivateKey.generate(), relying_party, counts=counts)

    @classmethod
    def from_private_bytes(cls, data: bytes, relying_party: RelyingParty) -> Self:
        """Return the one that `to_private_bytes` gave, if it does not count; `MalformedMessage` for another length."""
        if len(data) != _CREDENTIAL_ID_BYTES + _PRIVATE_BYTES:
            raise MalformedMessage("a software passkey is 64 bytes")
        credential_id, private = data[:_CREDENTIAL_ID_BYTES], data[_CREDENTIAL_ID_BYTES:]
        try:
            key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
        except ValueError:
            raise MalformedMessage("a software passkey has no key of P-256") from None
        return cls(key, relying_party, counts=False, credential_id=credential_id)

    def to_private_bytes(self) -> bytes:
        """Return credential id and private key (64 bytes); `ProtocolStateError` unless it is of ES256 without a count.

        A count would have to be kept with each signature; passkeys that are synced between devices have none either.
        """
        if isinstance(self._key, Ed25519PrivateKey) or self._counts:
            raise ProtocolStateError("a passkey that counts, or of another kind, is not kept")
        private = self._key.private_numbers().private_value
        return self.passkey.credential_id + private.to_bytes(_PRIVATE_BYTES, "big")

    def register(self, challenge: bytes, conduct: Conduct = HONEST) -> PasskeyRegistration:
        """Return what the browser gives when the passkey is made, with attestation "none"."""
        credential_id, public_key = self.passkey.credential_id, self.passkey.public_key
        attested = bytes(16) + len(credential_id).to_bytes(2, "big") + credential_id + public_key
        data = self._authenticator_data(conduct, _ATTESTED) + attested
        return PasskeyRegistration(
            client_data_json=self._client_data("webauthn.create", challenge, conduct),
            attestation_object=b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58" + bytes([len(data)]) + data,
        )

    def sign(self, challenge: bytes, conduct: Conduct = HONEST) -> Assertion:
        """Return the passkey's assertion over `challenge` (32 bytes, a document's SHA-256)."""
        self.counter += self._counts
        data = self._authenticator_data(conduct, 0)
        client_data = self._client_data("webauthn.get", challenge, conduct)
        return Assertion(
            authenticator_data=data,
            client_data_json=client_data,
            signature=self.sign_bytes(data + hashlib.sha256(client_data).digest()),
        )

    def sign_bytes(self, message: bytes) -> bytes:
        """Return a bare signature over any bytes at all; no authenticator gives one, and an adversary's may."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))

    def _authenticator_data(self, conduct: Conduct, flags: int) -> bytes:
        relying_party_id = conduct.relying_party_id or self._relying_party.relying_party_id
        flags |= _PRESENT * conduct.user_present | _VERIFIED * conduct.user_verified
        digest = hashlib.sha256(relying_party_id.encode()).digest()
        return digest + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: bytes, conduct: Conduct) -> bytes:
        fields: dict[str, Any] = {
            "type": conduct.kind or kind,
            "challenge": base64.urlsafe_b64encode(conduct.challenge or challenge).decode().rstrip("="),
            "origin": conduct.origin or self._relying_party.origins[0],
        }
        if conduct.cross_origin is not None:
            fields["crossOrigin"] = conduct.cross_origin
        return json.dumps(fields | dict(conduct.more), separators=(",", ":"), ensure_ascii=False).encode()


def _cose_key(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    """RFC 9053: {1: key type, 3: algorithm, -1: curve, -2: x, -3: y}, in the order of CTAP2."""
    if isinstance(key, Ed25519PrivateKey):
        return b"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20" + key.public_key().public_bytes_raw()
    point = key.public_key().public_numbers()
    x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
    return b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + x + b"\x22\x58\x20" + y
