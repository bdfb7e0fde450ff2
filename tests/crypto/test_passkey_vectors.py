"""Passkeys: the bytes of W3C Web Authentication, Level 3, section 16 (test vectors), as printed there."""

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from crypto.errors import SignatureInvalid
from crypto.passkeys import Assertion, RelyingParty
from simulations.authenticator import SoftwareAuthenticator

SPECIFICATION = RelyingParty(relying_party_id="example.org", origins=("https://example.org",))
EXAMPLE_HASH = hashlib.sha256(b"example.org").digest()


def specified(private_key: str, challenge: str, flags: int, client_data: bytes, signature: str) -> Callable[[], None]:
    key = ec.derive_private_key(int(private_key, 16), ec.SECP256R1())
    assertion = Assertion(
        authenticator_data=EXAMPLE_HASH + bytes([flags]) + bytes(4),
        client_data_json=client_data,
        signature=bytes.fromhex(signature),
    )
    # The bytes are right, whatever we say to what they mean.
    message = assertion.authenticator_data + hashlib.sha256(client_data).digest()
    key.public_key().verify(assertion.signature, message, ec.ECDSA(hashes.SHA256()))
    signer = SoftwareAuthenticator(key, SPECIFICATION, counts=False)
    return lambda: assertion.verify(signer.passkey, bytes.fromhex(challenge), SPECIFICATION)


def test_the_specifications_assertion_of_a_verified_user_is_accepted() -> None:
    """Example packed.ES256."""
    specified(
        "36ed7bea2357cefa8c4ec7e134f3312d2e6ca3058519d0bcb4c1424272010432",
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
        "6e68e7a58484a3264f66b77f5d6dc5bc36a47085b615c9727ab334e8c369c2ee",
        "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408",
        0x19,
        b'{"type":"webauthn.get","challenge":"OcDnUhQXulTUPo3JUXT0I97pvzzYBP9tZchXyav01Ag","origin":"https://example.org",'
        b'"crossOrigin":false}',
        "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd380221008480ac0f0b93538174f575bf11a1dd"
        "5d78c6e486013f937295ea13653e331e87",
    )
    with pytest.raises(SignatureInvalid):
        verify()
