"""Passkeys (W3C Web Authentication, Level 3): how an enterprise signs a document with the device in its hand.

| who          | holds                                                                                      |
|--------------|--------------------------------------------------------------------------------------------|
| enterprise   | the private key, in its authenticator, which asks for a finger or a PIN before it is used  |
| all others   | the `Passkey`; each verifies for itself what was signed with it                            |
| each verifier| the `RelyingParty`, in its settings: what a message says of itself there counts for nothing|

What the authenticator signs, for a document whose SHA-256 is the challenge:

    authenticator data ‖ SHA-256(client data JSON)

    authenticator data   SHA-256(relying party id) (32) ‖ flags (1) ‖ counter (4)
    client data JSON     {"type":"webauthn.get","challenge":base64url(digest),"origin":"https://...","crossOrigin":false}

So the signature names the document, the page on which the user agreed to it, and that the user was there and was
verified. The ceremony's steps (sections 7.1 and 7.2) are checked by py_webauthn. What it leaves open is checked here
before: another site's frame, a JSON key that comes twice, keys and attestations of other forms than ours.

Whoever sees a signature of ES256 can make a second valid one of it, so nothing is to be identified by an `Assertion`'s
bytes or hash: a document is identified by its own digest.
"""

import base64
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric import ec
from nacl.bindings import crypto_core_ed25519_is_valid_point
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    RegistrationCredential,
)

from crypto.documents import parse_json_object
from crypto.errors import MalformedMessage, SignatureInvalid

CHALLENGE_BYTES: Final = 32
"""A challenge is the SHA-256 of what is agreed to."""

MINIMUM_CREDENTIAL_ID_BYTES: Final = 16
MAXIMUM_CREDENTIAL_ID_BYTES: Final = 1023
MAXIMUM_CLIENT_DATA_BYTES: Final = 2048
MAXIMUM_ORIGINS: Final = 16

_AUTHENTICATOR_DATA_BYTES: Final = 37
_FLAGS_AT: Final = 32
_COUNTER_AT: Final = 33
_ATTESTED: Final = 0x40
_EXTENDED: Final = 0x80
_MINIMUM_SIGNATURE_BYTES: Final = 8
_MAXIMUM_SIGNATURE_BYTES: Final = 72  # two integers of 33 bytes in DER

# The CBOR of a COSE key has one form under CTAP2's rules: another key type, curve or algorithm differs in these bytes.
_ES256_FORM: Final = re.compile(rb"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20(.{32})\x22\x58\x20(.{32})", re.DOTALL)
_EDDSA_FORM: Final = re.compile(rb"\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20(.{32})", re.DOTALL)
_ES256_BYTES: Final = 77
_EDDSA_BYTES: Final = 42

# {"fmt": "none", "attStmt": {}, "authData": ...}, and the head of a byte string of up to 255 or 65535 bytes.
_ATTESTATION_HEAD: Final = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData"
_MAXIMUM_ATTESTATION_BYTES: Final = 1300
_AAGUID_BYTES: Final = 16
# {"credProtect": 1, 2 or 3}: browsers ask for this one extension unasked.
_CRED_PROTECT: Final = re.compile(rb"\xa1\x6bcredProtect[\x01-\x03]", re.DOTALL)

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_ORIGIN: Final = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+)(?::[1-9][0-9]{0,4})?")


class PasskeyAlgorithm(IntEnum):
    """What a passkey may sign with, by its number in COSE (RFC 9053)."""

    ES256 = -7
    EDDSA = -8


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """On whose pages an enterprise agrees, as a verifier has it in its settings; `MalformedMessage` if it fits nothing.

    relying_party_id: the domain that passkeys are made for, such as `credit.example.cn`.
    origins: the pages allowed, `https://` that domain or one below it, with a port where it is not 443. Plain http on
        `localhost` alone, as in browsers.
    """

    relying_party_id: str
    origins: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_domain(self.relying_party_id)
        if not 1 <= len(self.origins) <= MAXIMUM_ORIGINS or len(set(self.origins)) != len(self.origins):
            raise MalformedMessage("a relying party has 1 to 16 origins, each of them once")
        for origin in self.origins:
            match = _ORIGIN.fullmatch(origin)
            if match is None or _DOMAIN.fullmatch(match["host"]) is None:
                raise MalformedMessage(
                    "an origin is scheme, host and port, as browsers write it",
                    advice="Write it in lower case, without a slash at the end: 'https://credit.example.cn'.",
                )
            if match["scheme"] == "http" and match["host"] != "localhost":
                raise MalformedMessage("an origin is https", advice="Plain http is for localhost alone.")
            if not f".{match['host']}".endswith(f".{self.relying_party_id}"):
                raise MalformedMessage("an origin is in the relying party's domain, or below it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """The public half of a passkey; `MalformedMessage` if it is no proper key.

    credential_id: 16 to 1023 bytes, the authenticator's choice.
    public_key: COSE, in the one form of CTAP2: P-256 for ES256 (77 bytes) or Ed25519 for EdDSA (42 bytes).
    relying_party_id: the domain it was made for.
    """

    credential_id: bytes
    public_key: bytes
    relying_party_id: str

    def __post_init__(self) -> None:
        if not MINIMUM_CREDENTIAL_ID_BYTES <= len(self.credential_id) <= MAXIMUM_CREDENTIAL_ID_BYTES:
            raise MalformedMessage("a credential id is 16 to 1023 bytes")
        _check_domain(self.relying_party_id)
        _check_public_key(self.public_key)

    @property
    def algorithm(self) -> PasskeyAlgorithm:
        """What it signs with. The key says it, so that no two places can say different things."""
        return PasskeyAlgorithm.ES256 if len(self.public_key) == _ES256_BYTES else PasskeyAlgorithm.EDDSA

    def encode(self) -> bytes:
        """Return the one form that `decode` takes: each field with its length (2 bytes, big-endian) before it."""
        return _frame(self.credential_id, self.public_key, self.relying_party_id.encode())

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the passkey that `encode` gave; `MalformedMessage` for anything else."""
        credential_id, public_key, relying_party_id = _unframe(data, 3)
        try:
            domain = relying_party_id.decode("ascii")
        except UnicodeDecodeError as error:
            raise MalformedMessage("a relying party id is a domain in ASCII") from error
        return cls(credential_id=credential_id, public_key=public_key, relying_party_id=domain)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRegistration:
    """What a browser gives when a passkey is made, with attestation "none"; `MalformedMessage` if out of its form.

    It is not signed: it tells that a browser made this passkey on one of our pages for this challenge, to whoever got
    it from that browser, and proves nothing to others. What binds the passkey to an enterprise is a document that
    names both, with the passkey's own `Assertion` over it.

    client_data_json: at most 2048 bytes. attestation_object: CBOR, at most 1300 bytes.
    """

    client_data_json: bytes
    attestation_object: bytes

    def __post_init__(self) -> None:
        if not 1 <= len(self.client_data_json) <= MAXIMUM_CLIENT_DATA_BYTES:
            raise MalformedMessage("client data is 1 to 2048 bytes")
        if not 1 <= len(self.attestation_object) <= _MAXIMUM_ATTESTATION_BYTES:
            raise MalformedMessage("an attestation object is 1 to 1300 bytes")

    def encode(self) -> bytes:
        """Return the one form that `decode` takes: each field with its length (2 bytes, big-endian) before it."""
        return _frame(self.client_data_json, self.attestation_object)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the registration that `encode` gave; `MalformedMessage` for anything else."""
        client_data_json, attestation_object = _unframe(data, 2)
        return cls(client_data_json=client_data_json, attestation_object=attestation_object)

    def verify(self, challenge: bytes, relying_party: RelyingParty) -> Passkey:
        """Return the new passkey (section 7.1).

        1. The attestation object is "none" around one key of a form that we know, else `MalformedMessage`.
        2. The client data is of a registration, for this challenge, on an allowed page, not in another site's frame.
        3. The key was made for this relying party, by a user who was present and verified, else `SignatureInvalid`.
        """
        credential_id, public_key = _attested_key(self.attestation_object)
        passkey = Passkey(
            credential_id=credential_id, public_key=public_key, relying_party_id=relying_party.relying_party_id
        )
        _check_client_data(self.client_data_json, "webauthn.create", challenge, relying_party)
        try:
            verify_registration_response(
                credential=RegistrationCredential(
                    id=_base64url(credential_id),
                    raw_id=credential_id,
                    response=AuthenticatorAttestationResponse(
                        client_data_json=self.client_data_json, attestation_object=self.attestation_object
                    ),
                ),
                expected_challenge=challenge,
                expected_rp_id=relying_party.relying_party_id,
                expected_origin=list(relying_party.origins),
                require_user_verification=True,
                supported_pub_key_algs=[COSEAlgorithmIdentifier(passkey.algorithm)],
            )
        except WebAuthnException as error:
            raise SignatureInvalid("a passkey was not made as it should be for this relying party") from error
        return passkey


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """A passkey's signature over a challenge, with what it was made over; `MalformedMessage` if out of its form.

    authenticator_data: 37 bytes, as drawn above. client_data_json: at most 2048 bytes.
    signature: 8 to 72 bytes; DER for ES256, 64 bytes for EdDSA.
    """

    authenticator_data: bytes
    client_data_json: bytes
    signature: bytes

    def __post_init__(self) -> None:
        if len(self.authenticator_data) != _AUTHENTICATOR_DATA_BYTES:
            raise MalformedMessage("an assertion's authenticator data is 37 bytes")
        if self.authenticator_data[_FLAGS_AT] & (_ATTESTED | _EXTENDED):
            raise MalformedMessage("an assertion's authenticator data has nothing after its counter")
        if not 1 <= len(self.client_data_json) <= MAXIMUM_CLIENT_DATA_BYTES:
            raise MalformedMessage("client data is 1 to 2048 bytes")
        if not _MINIMUM_SIGNATURE_BYTES <= len(self.signature) <= _MAXIMUM_SIGNATURE_BYTES:
            raise MalformedMessage("an assertion's signature is 8 to 72 bytes")

    @property
    def counter(self) -> int:
        """How often the authenticator signed, as it says; 0 from one that does not count, as synced ones do not."""
        return int.from_bytes(self.authenticator_data[_COUNTER_AT:], "big")

    def encode(self) -> bytes:
        """Return the one form that `decode` takes: each field with its length (2 bytes, big-endian) before it."""
        return _frame(self.authenticator_data, self.client_data_json, self.signature)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the assertion that `encode` gave; `MalformedMessage` for anything else."""
        authenticator_data, client_data_json, signature = _unframe(data, 3)
        return cls(authenticator_data=authenticator_data, client_data_json=client_data_json, signature=signature)

    def verify(
        self, passkey: Passkey, challenge: bytes, relying_party: RelyingParty, *, last_counter: int | None = None
    ) -> None:
        """Raise unless `passkey` signed `challenge` (32 bytes, a document's SHA-256) as it should (section 7.2).

        1. The passkey was made for this relying party.
        2. The client data is JSON, else `MalformedMessage`: of an assertion, for this challenge, on an allowed page,
           not in another site's frame.
        3. The authenticator data names this relying party, and a user who was present and verified.
        4. The counter is beyond `last_counter`, where one is given. It is for an assertion that is new to the
           verifier: an old one that is looked at again has an old counter.
        5. The signature is the passkey's over all of this. Else `SignatureInvalid`.
        """
        if passkey.relying_party_id != relying_party.relying_party_id:
            raise SignatureInvalid("a passkey was made for another relying party")
        _check_client_data(self.client_data_json, "webauthn.get", challenge, relying_party)
        try:
            verify_authentication_response(
                credential=AuthenticationCredential(
                    id=_base64url(passkey.credential_id),
                    raw_id=passkey.credential_id,
                    response=AuthenticatorAssertionResponse(
                        client_data_json=self.client_data_json,
                        authenticator_data=self.authenticator_data,
                        signature=self.signature,
                    ),
                ),
                expected_challenge=challenge,
                expected_rp_id=relying_party.relying_party_id,
                expected_origin=list(relying_party.origins),
                credential_public_key=passkey.public_key,
                credential_current_sign_count=last_counter or 0,
                require_user_verification=True,
            )
        except WebAuthnException as error:
            raise SignatureInvalid("the passkey did not sign this as it should") from error


def _check_client_data(data: bytes, kind: str, challenge: bytes, relying_party: RelyingParty) -> None:
    if len(challenge) != CHALLENGE_BYTES:
        raise MalformedMessage("a challenge is a digest of 32 bytes")
    fields = parse_json_object(data)
    if fields.get("type") != kind:
        raise SignatureInvalid("client data is of another ceremony")
    # The text is compared: base64url of 32 bytes has more than one spelling for those who decode it freely.
    if fields.get("challenge") != _base64url(challenge):
        raise SignatureInvalid("client data is for another challenge")
    if fields.get("origin") not in relying_party.origins:
        raise SignatureInvalid("client data is from a page that is not allowed")
    if fields.get("crossOrigin", False) is not False or "topOrigin" in fields:
        raise SignatureInvalid("client data is from a frame in another site's page")


def _attested_key(data: bytes) -> tuple[bytes, bytes]:
    """Return credential id and COSE key from an attestation object of the one form that we take.

    So no general CBOR reader sees bytes that an attacker chose freely: there are short ones that keep it busy for long.
    """
    if not data.startswith(_ATTESTATION_HEAD):
        raise MalformedMessage("an attestation is not of the form 'none'")
    body = data[len(_ATTESTATION_HEAD) :]
    short = body[:1] == b"\x58"
    head = 2 if short else 3
    length = len(body) - head
    if length < _AUTHENTICATOR_DATA_BYTES + _AAGUID_BYTES + 2 or short is not (length < 1 << 8):
        raise MalformedMessage("an attestation object is not in canonical form")
    if body[:head] != (b"\x58" if short else b"\x59") + length.to_bytes(head - 1, "big"):
        raise MalformedMessage("an attestation object is not in canonical form")
    authenticator_data, rest = body[head:][:_AUTHENTICATOR_DATA_BYTES], body[head:][_AUTHENTICATOR_DATA_BYTES:]
    flags = authenticator_data[_FLAGS_AT]
    id_at = _AAGUID_BYTES + 2
    key_at = id_at + int.from_bytes(rest[_AAGUID_BYTES:id_at], "big")
    key_bytes = _ES256_BYTES if rest[key_at : key_at + 1] == b"\xa5" else _EDDSA_BYTES
    extensions = rest[key_at + key_bytes :]
    fits = _CRED_PROTECT.fullmatch(extensions) is not None if flags & _EXTENDED else not extensions
    if not flags & _ATTESTED or not fits:
        raise MalformedMessage("an attestation object holds no key, or more than a key")
    return rest[id_at:key_at], rest[key_at : key_at + key_bytes]


def _check_public_key(public_key: bytes) -> None:
    es256, eddsa = _ES256_FORM.fullmatch(public_key), _EDDSA_FORM.fullmatch(public_key)
    if es256 is not None:
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + es256[1] + es256[2])
        except ValueError as error:
            raise MalformedMessage("a passkey's public key is not a point of P-256") from error
    elif eddsa is None:
        raise MalformedMessage("a passkey's public key is neither of ES256 nor of EdDSA, in the form of CTAP2")
    elif not crypto_core_ed25519_is_valid_point(eddsa[1]):
        # Under a point of small order one signature passes for many messages.
        raise MalformedMessage("a passkey's public key is not a proper point of Ed25519")


def _check_domain(text: str) -> None:
    if _DOMAIN.fullmatch(text) is None:
        raise MalformedMessage("a relying party id is a domain in lower case", advice="Such as 'credit.example.cn'.")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _frame(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def _unframe(data: bytes, count: int) -> list[bytes]:
    parts = []
    for _ in range(count):
        end = 2 + int.from_bytes(data[:2], "big")
        if len(data) < end:
            raise MalformedMessage("a field is cut short")
        parts.append(data[2:end])
        data = data[end:]
    if data:
        raise MalformedMessage("there is more than the fields")
    return parts
