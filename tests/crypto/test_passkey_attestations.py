"""What a passkey's registration holds: one form of attestation object, and no other bytes reach a CBOR reader."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage
from crypto.passkeys import PasskeyRegistration, RelyingParty
from simulations.authenticator import SoftwareAuthenticator

PORTAL = RelyingParty(relying_party_id="credit.example.cn", origins=("https://credit.example.cn",))
DOCUMENT = hashlib.sha256(b"an enterprise's passkey").digest()
SIGNER = SoftwareAuthenticator.create(PORTAL)
REGISTRATION = SIGNER.register(DOCUMENT)

HEAD = len(REGISTRATION.attestation_object) - 37 - 18 - 32 - 77
AUTHENTICATOR_DATA = REGISTRATION.attestation_object[HEAD:]


def attestation(data: bytes, head: bytes = REGISTRATION.attestation_object[: HEAD - 1]) -> PasskeyRegistration:
    return replace(REGISTRATION, attestation_object=head + bytes([len(data)]) + data)


def extended(more: bytes) -> PasskeyRegistration:
    data = AUTHENTICATOR_DATA
    return attestation(data[:32] + bytes([data[32] | 0x80]) + data[33:] + more)


def test_the_one_extension_that_browsers_ask_for_unasked_is_accepted() -> None:
    assert extended(b"\xa1\x6bcredProtect\x02").verify(DOCUMENT, PORTAL) == SIGNER.passkey


@pytest.mark.parametrize(
    "registration",
    [
        attestation(AUTHENTICATOR_DATA + b"\0"),
        attestation(AUTHENTICATOR_DATA[:-1]),
        attestation(AUTHENTICATOR_DATA[:37]),
        attestation(AUTHENTICATOR_DATA + b"\xa1\x6bcredProtect\x02"),
        attestation(AUTHENTICATOR_DATA[:32] + b"\x05" + AUTHENTICATOR_DATA[33:]),
        attestation(AUTHENTICATOR_DATA, b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59\x00"),
        extended(b""),
        extended(b"\xa0"),
        extended(b"\xc5\x82\x1a\x7f\xff\xff\xff\x01"),
        replace(REGISTRATION, attestation_object=REGISTRATION.attestation_object + b"\0"),
        replace(REGISTRATION, attestation_object=REGISTRATION.attestation_object.replace(b"none", b"None")),
    ],
    ids=[
        "extended", "truncated", "no key", "an extension without its flag", "a key without its flag", "a longer head",
        "a flag without extension", "an empty extension", "CBOR that keeps a reader busy", "more after it", "no format",
    ],
)  # fmt: skip
def test_an_attestation_of_another_form_is_malformed(registration: PasskeyRegistration) -> None:
    with pytest.raises(MalformedMessage):
        registration.verify(DOCUMENT, PORTAL)


@given(st.binary(max_size=120), st.binary(max_size=20))
def test_any_attestation_gives_only_our_error(attested: bytes, extensions: bytes) -> None:
    for data in (AUTHENTICATOR_DATA[:37] + attested, AUTHENTICATOR_DATA[:55] + attested):
        with pytest.raises(MalformedMessage):
            attestation(data).verify(DOCUMENT, PORTAL)
    if not extensions.startswith(b"\xa1\x6bcredProtect"):
        with pytest.raises(MalformedMessage):
            extended(extensions).verify(DOCUMENT, PORTAL)
