"""Passkeys: the bytes of W3C Web Authentication, Level 3, section 16 (test vectors), as printed there."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from crypto.errors import SignatureInvalid
from crypto.passkeys import Assertion, Passkey, PasskeyRegistration, RelyingParty

SPECIFICATION = RelyingParty(relying_party_id="example.org", origins=("https://example.org",))
EXAMPLE_HASH = hashlib.sha256(b"example.org").digest()


def specified(
    credential_id: str, public_key: str, challenge: str, flags: int, client_data: bytes, signature: str
) -> Callable[[], None]:
    passkey = Passkey(
        credential_id=bytes.fromhex(credential_id),
        public_key=bytes.fromhex(public_key),
        relying_party_id=SPECIFICATION.relying_party_id,
    )
    assertion = Assertion(
        authenticator_data=EXAMPLE_HASH + bytes([flags]) + bytes(4),
        client_data_json=client_data,
        signature=bytes.fromhex(signature),
    )
    # The bytes are right, whatever we say to what they mean.
    message = assertion.authenticator_data + hashlib.sha256(client_data).digest()
    point = b"\x04" + passkey.public_key[10:42] + passkey.public_key[45:]
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    key.verify(assertion.signature, message, ec.ECDSA(hashes.SHA256()))
    return lambda: assertion.verify(passkey, bytes.fromhex(challenge), SPECIFICATION)


def test_the_specifications_assertion_of_a_verified_user_is_accepted() -> None:
    """Example packed.ES256."""
    specified(
        "c9a6f5b3462d02873fea0c56862234f99f081728084e511bb7760201a89054a5",
        "a50102032620012158201cf27f25da591208a4239c2e324f104f585525479a29edeedd830f48e77aeae5"
        "22582059e4b7da6c0106e206ce390c93ab98a15a5ec3887e57f0cc2bece803b920c423",
        "b1106fa46a57bef1781511c0557dc898a03413d5f0f17d244630c194c7e1adb5",
        0x0D,
        b'{"type":"webauthn.get","challenge":"sRBvpGpXvvF4FRHAVX3ImKA0E9Xw8X0kRjDBlMfhrbU","origin":"https://example.org",'
        b'"crossOrigin":false,"extraData":"clientDataJSON may be extended with additional fields in the future, such '
        b'as this: AZMwyMxIbD8-uguFNp6r8Q"}',
        "30450220694969d3ee928de6f02ef23a9c644d7d779916451734a94b432542f498a1ebe90221008b0819c824218a97152cd099c55bfb14"
        "77b29d900a49a64018314f9bfccda163",
    )()


def test_the_specifications_assertion_without_user_verification_is_refused() -> None:
    """Example none.ES256: its user was present, and not verified."""
    verify = specified(
        "f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4",
        "a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61"
        "225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220",
        "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408",
        0x19,
        b'{"type":"webauthn.get","challenge":"OcDnUhQXulTUPo3JUXT0I97pvzzYBP9tZchXyav01Ag","origin":"https://example.org",'
        b'"crossOrigin":false}',
        "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f575bf11a1dd"
        "5d78c6e486013f937295ea13653e331e87",
    )
    with pytest.raises(SignatureInvalid):
        verify()


def test_the_specifications_registration_lacks_user_verification_alone() -> None:
    """Example none.ES256 has no user verification. Its bytes are in our one form all the same, which is read first."""
    registration = PasskeyRegistration(
        client_data_json=b'{"type":"webauthn.create","challenge":"AMMPt4UxxGTStncdq417YDwBFi8vpIa-pw8oOuVW4TA","origin":'
        b'"https://example.org","crossOrigin":false,"extraData":"clientDataJSON may be extended with additional fields '
        b'in the future, such as this: BkQeDjdcTBrXBiAwJTLE5Q"}',
        attestation_object=bytes.fromhex(
            "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc37432958b063360d3ad6461c9c4735ae7f8edd465"
            "92a5e0f01452b2e4b559000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba612"
            "2b33ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61"
            "225820930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220"
        ),
    )
    challenge = bytes.fromhex("00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130")
    with pytest.raises(SignatureInvalid):
        registration.verify(challenge, SPECIFICATION)
    # Nothing signs a registration, so the one flag that it lacks can be set: then all of the rest is right.
    data = registration.attestation_object
    flags_at = data.index(EXAMPLE_HASH) + len(EXAMPLE_HASH)
    verified = replace(registration, attestation_object=data[:flags_at] + b"\x5d" + data[flags_at + 1 :])
    assert verified.verify(challenge, SPECIFICATION).credential_id.hex().startswith("f91f391db4c9")
