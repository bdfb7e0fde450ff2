"""Passkeys: an honest round trip, and every lie refused. `test_passkey_vectors.py` has the specification's bytes,
`test_passkey_attestations.py` the forms of what a registration holds.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from webauthn import verify_authentication_response
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.structs import AuthenticationCredential, AuthenticatorAssertionResponse

from crypto.errors import MalformedMessage, PeerError, SignatureInvalid
from crypto.passkeys import Assertion, Passkey, PasskeyAlgorithm, PasskeyRegistration, RelyingParty
from simulations.authenticator import HONEST, Conduct, SoftwareAuthenticator

PORTAL = RelyingParty(
    relying_party_id="credit.example.cn",
    origins=("https://credit.example.cn", "https://portal.credit.example.cn:8443"),
)
OTHER_PARTY = RelyingParty(relying_party_id="example.cn", origins=PORTAL.origins)
DOCUMENT = hashlib.sha256(b"a consent").digest()
OTHER_DOCUMENT = hashlib.sha256(b"a consent to more").digest()
ALGORITHMS = {algorithm: SoftwareAuthenticator.create(PORTAL, algorithm=algorithm) for algorithm in PasskeyAlgorithm}
SIGNER = ALGORITHMS[PasskeyAlgorithm.ES256]
ASSERTION = SIGNER.sign(DOCUMENT)
REGISTRATION = SIGNER.register(DOCUMENT)

Fields = dict[str, Any]


def signed(signer: SoftwareAuthenticator, authenticator_data: bytes, client_data: bytes) -> Assertion:
    """An assertion over bytes of our choice, properly signed."""
    message = authenticator_data + hashlib.sha256(client_data).digest()
    return Assertion(
        authenticator_data=authenticator_data, client_data_json=client_data, signature=signer.sign_bytes(message)
    )


def with_client_data(change: Callable[[Fields], object]) -> Assertion:
    fields = json.loads(ASSERTION.client_data_json)
    change(fields)
    return signed(SIGNER, ASSERTION.authenticator_data, json.dumps(fields).encode())


def with_flags(flags: int) -> bytes:
    data = ASSERTION.authenticator_data
    return data[:32] + bytes([flags]) + data[33:]


@pytest.mark.parametrize("signer", ALGORITHMS.values(), ids=[algorithm.name for algorithm in ALGORITHMS])
def test_a_passkey_is_registered_and_signs_through_real_bytes(signer: SoftwareAuthenticator) -> None:
    registration = PasskeyRegistration.decode(signer.register(DOCUMENT).encode())
    passkey = Passkey.decode(registration.verify(DOCUMENT, PORTAL).encode())
    assert passkey == signer.passkey
    assert ALGORITHMS[passkey.algorithm] is signer
    Assertion.decode(signer.sign(OTHER_DOCUMENT).encode()).verify(passkey, OTHER_DOCUMENT, PORTAL)


@pytest.mark.parametrize(
    "conduct",
    [
        Conduct(origin=PORTAL.origins[1]),
        Conduct(cross_origin=None),
        Conduct(more=(("futureField", {"a": [1, "玉"]}),)),
    ],
    ids=["another allowed page", "an old browser", "a future browser"],
)
def test_what_browsers_may_do_is_accepted(conduct: Conduct) -> None:
    SIGNER.sign(DOCUMENT, conduct).verify(SIGNER.passkey, DOCUMENT, PORTAL)
    assert SIGNER.register(DOCUMENT, conduct).verify(DOCUMENT, PORTAL) == SIGNER.passkey


LIES = {
    "no user verification": Conduct(user_verified=False),
    "no user presence": Conduct(user_present=False),
    "another page": Conduct(origin="https://credit.example.cn.evil.example"),
    "a page below the domain that is not listed": Conduct(origin="https://evil.credit.example.cn"),
    "another relying party": Conduct(relying_party_id="example.cn"),
    "another document": Conduct(challenge=OTHER_DOCUMENT),
    "a longer challenge": Conduct(challenge=DOCUMENT + b"\0"),
    "a frame in another site": Conduct(cross_origin=True),
    "a frame, told by its top page alone": Conduct(more=(("topOrigin", "https://evil.example"),)),
    "another ceremony": Conduct(kind="payment.get"),
}


@pytest.mark.parametrize("conduct", LIES.values(), ids=LIES)
def test_each_lie_in_a_ceremony_is_refused_though_it_is_signed(conduct: Conduct) -> None:
    with pytest.raises(SignatureInvalid):
        SIGNER.sign(DOCUMENT, conduct).verify(SIGNER.passkey, DOCUMENT, PORTAL)
    with pytest.raises(SignatureInvalid):
        SIGNER.register(DOCUMENT, conduct).verify(DOCUMENT, PORTAL)


def test_the_library_alone_would_take_what_was_signed_in_another_sites_frame_or_reads_in_two_ways() -> None:
    """Why the client data is checked here: with py_webauthn alone, both of these attacks succeed."""
    framed = SIGNER.sign(DOCUMENT, Conduct(cross_origin=True))
    twice = signed(
        SIGNER,
        ASSERTION.authenticator_data,
        ASSERTION.client_data_json.replace(b"{", b'{"origin":"https://evil.example",', 1),
    )
    for lie in (framed, twice):
        verify_authentication_response(
            credential=AuthenticationCredential(
                id=bytes_to_base64url(SIGNER.passkey.credential_id),
                raw_id=SIGNER.passkey.credential_id,
                response=AuthenticatorAssertionResponse(
                    client_data_json=lie.client_data_json,
                    authenticator_data=lie.authenticator_data,
                    signature=lie.signature,
                ),
            ),
            expected_challenge=DOCUMENT,
            expected_rp_id=PORTAL.relying_party_id,
            expected_origin=list(PORTAL.origins),
            credential_public_key=SIGNER.passkey.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
        with pytest.raises(PeerError):
            lie.verify(SIGNER.passkey, DOCUMENT, PORTAL)


def test_one_ceremony_does_not_pass_for_the_other() -> None:
    with pytest.raises(SignatureInvalid):
        SIGNER.sign(DOCUMENT, Conduct(kind="webauthn.create")).verify(SIGNER.passkey, DOCUMENT, PORTAL)
    with pytest.raises(SignatureInvalid):
        SIGNER.register(DOCUMENT, Conduct(kind="webauthn.get")).verify(DOCUMENT, PORTAL)


@pytest.mark.parametrize("cross_origin", ["false", 0, None, [], "", {}])
def test_a_cross_origin_that_only_looks_false_is_refused(cross_origin: object) -> None:
    lie = with_client_data(lambda fields: fields.update(crossOrigin=cross_origin))
    with pytest.raises(SignatureInvalid):
        lie.verify(SIGNER.passkey, DOCUMENT, PORTAL)


@pytest.mark.parametrize("name", ["type", "challenge", "origin"])
@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["webauthn.get"]])
def test_client_data_of_other_types_is_refused(name: str, value: object) -> None:
    with pytest.raises(SignatureInvalid):
        with_client_data(lambda fields: fields.update({name: value})).verify(SIGNER.passkey, DOCUMENT, PORTAL)
    with pytest.raises(SignatureInvalid):
        with_client_data(lambda fields: fields.pop(name)).verify(SIGNER.passkey, DOCUMENT, PORTAL)


def test_a_challenge_has_one_spelling() -> None:
    spelled = json.loads(ASSERTION.client_data_json)["challenge"]
    # 43 characters hold 258 bits: the last two do not count for whoever decodes them freely.
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for other in (spelled + "=", spelled[:-1] + last[last.index(spelled[-1]) + 1], " " + spelled):
        lie = with_client_data(lambda fields, other=other: fields.update(challenge=other))  # type: ignore[misc]
        with pytest.raises(SignatureInvalid):
            lie.verify(SIGNER.passkey, DOCUMENT, PORTAL)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"{", b'{"origin":"https://evil.example",', 1),
        lambda text: text[:-1],
        lambda text: text + b"x",
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.decode().encode("utf-16"),
        lambda text: b"[" + text + b"]",
        lambda text: text[:-1] + b',"a":NaN}',
        lambda text: text[:-1] + b',"a":"\xff"}',
        lambda text: text[:-1] + b',"a":' + b"[" * 1000 + b"]" * 500 + b"}",
    ],
    ids=["a key twice", "truncated", "extended", "a mark before", "UTF-16", "a list", "NaN", "no UTF-8", "deep"],
)
def test_client_data_that_is_no_plain_json_is_malformed(change: Callable[[bytes], bytes]) -> None:
    lie = signed(SIGNER, ASSERTION.authenticator_data, change(ASSERTION.client_data_json))
    with pytest.raises(MalformedMessage):
        lie.verify(SIGNER.passkey, DOCUMENT, PORTAL)


def test_an_assertion_is_of_one_passkey_document_and_relying_party() -> None:
    other = SoftwareAuthenticator.create(PORTAL)
    with pytest.raises(SignatureInvalid):
        ASSERTION.verify(other.passkey, DOCUMENT, PORTAL)
    with pytest.raises(SignatureInvalid):
        ASSERTION.verify(SIGNER.passkey, OTHER_DOCUMENT, PORTAL)
    with pytest.raises(SignatureInvalid):
        ASSERTION.verify(SIGNER.passkey, DOCUMENT, OTHER_PARTY)
    with pytest.raises(SignatureInvalid):
        ASSERTION.verify(replace(SIGNER.passkey, relying_party_id="example.cn"), DOCUMENT, OTHER_PARTY)
    with pytest.raises(SignatureInvalid):
        ASSERTION.verify(replace(SIGNER.passkey, relying_party_id="example.cn"), DOCUMENT, PORTAL)


@pytest.mark.parametrize("challenge", [b"", DOCUMENT[:-1], DOCUMENT + b"\0", DOCUMENT * 2])
def test_only_a_digest_is_a_challenge(challenge: bytes) -> None:
    with pytest.raises(MalformedMessage):
        SIGNER.sign(challenge or b"\0").verify(SIGNER.passkey, challenge, PORTAL)


def test_a_signature_of_one_algorithm_does_not_pass_for_the_other() -> None:
    for one, other in (
        (PasskeyAlgorithm.ES256, PasskeyAlgorithm.EDDSA),
        (PasskeyAlgorithm.EDDSA, PasskeyAlgorithm.ES256),
    ):
        with pytest.raises(SignatureInvalid):
            ALGORITHMS[one].sign(DOCUMENT).verify(ALGORITHMS[other].passkey, DOCUMENT, PORTAL)


def test_every_changed_bit_is_noticed() -> None:
    for name in ("authenticator_data", "client_data_json", "signature"):
        honest = getattr(ASSERTION, name)
        for place in range(8 * len(honest)):
            changed = bytearray(honest)
            changed[place // 8] ^= 1 << place % 8
            with pytest.raises(PeerError):
                replace(ASSERTION, **{name: bytes(changed)}).verify(SIGNER.passkey, DOCUMENT, PORTAL)


def test_backup_flags_are_taken_as_they_make_sense() -> None:
    """BS (backed up) goes with BE (may be backed up) only."""
    for flags, makes_sense in ((0x0D, True), (0x1D, True), (0x15, False)):
        assertion = signed(SIGNER, with_flags(flags), ASSERTION.client_data_json)
        if makes_sense:
            assertion.verify(SIGNER.passkey, DOCUMENT, PORTAL)
            continue
        with pytest.raises(SignatureInvalid):
            assertion.verify(SIGNER.passkey, DOCUMENT, PORTAL)


@pytest.mark.parametrize("flags", [0x45, 0x85])
def test_an_assertion_with_flags_for_more_than_it_holds_is_malformed(flags: int) -> None:
    with pytest.raises(MalformedMessage):
        signed(SIGNER, with_flags(flags), ASSERTION.client_data_json)


def test_a_counter_that_does_not_go_on_is_refused_where_one_is_given() -> None:
    counting = SoftwareAuthenticator.create(PORTAL, counts=True)
    first, second = counting.sign(DOCUMENT), counting.sign(DOCUMENT)
    assert (first.counter, second.counter) == (1, 2)
    second.verify(counting.passkey, DOCUMENT, PORTAL, last_counter=first.counter)
    first.verify(counting.passkey, DOCUMENT, PORTAL)
    for last in (first.counter, second.counter):
        with pytest.raises(SignatureInvalid):
            first.verify(counting.passkey, DOCUMENT, PORTAL, last_counter=last)
    # One that does not count stays at 0, and may not come back to it.
    ASSERTION.verify(SIGNER.passkey, DOCUMENT, PORTAL, last_counter=0)
    with pytest.raises(SignatureInvalid):
        ASSERTION.verify(SIGNER.passkey, DOCUMENT, PORTAL, last_counter=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authenticator_data", ASSERTION.authenticator_data[:-1]),
        ("authenticator_data", ASSERTION.authenticator_data + b"\0"),
        ("client_data_json", b""),
        ("client_data_json", b" " * 2049),
        ("signature", b"\x30" * 7),
        ("signature", b"\x30" * 73),
    ],
)
def test_an_assertion_out_of_its_bounds_is_malformed(name: str, value: bytes) -> None:
    with pytest.raises(MalformedMessage):
        replace(ASSERTION, **{name: value})


COSE = SIGNER.passkey.public_key
X_AT, Y_AT = slice(10, 42), slice(45, 77)
ED = ALGORITHMS[PasskeyAlgorithm.EDDSA].passkey.public_key


@pytest.mark.parametrize(
    "public_key",
    [
        b"",
        COSE[:-1],
        COSE + b"\0",
        COSE[:-1] + bytes([COSE[-1] ^ 1]),
        COSE[:10] + bytes(67),
        COSE[:10] + b"\xff" * 32 + COSE[42:],
        COSE.replace(b"\x03\x26", b"\x03\x27", 1),
        COSE.replace(b"\x20\x01\x21", b"\x20\x02\x21", 1),
        COSE.replace(b"\x01\x02\x03", b"\x01\x01\x03", 1),
        b"\x04" + COSE[X_AT] + COSE[Y_AT],
        ED.replace(b"\x03\x27", b"\x03\x26", 1),
        ED[:10] + bytes(32),
        ED[:10] + b"\x01" + bytes(31),
        ED[:10] + b"\xec" + b"\xff" * 30 + b"\x7f",
        ED[:10] + b"\xff" * 32,
        ED[:10] + b"\x02" + bytes(31),
    ],
    ids=map(str, count()),
)
def test_what_is_no_proper_key_is_no_passkey(public_key: bytes) -> None:
    with pytest.raises(MalformedMessage):
        replace(SIGNER.passkey, public_key=public_key)


def test_under_a_key_of_small_order_one_signature_would_pass_for_any_document() -> None:
    """Why such keys are refused: OpenSSL alone takes them."""
    neutral = b"\x01" + bytes(31)
    for message in (b"yes", b"no"):
        Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), message)
    with pytest.raises(MalformedMessage):
        replace(SIGNER.passkey, public_key=ED[:10] + neutral)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("credential_id", bytes(15)),
        ("credential_id", bytes(1024)),
        ("relying_party_id", ""),
        ("relying_party_id", "Credit.example.cn"),
        ("relying_party_id", "https://credit.example.cn"),
        ("relying_party_id", "credit..cn"),
        ("relying_party_id", "a." * 127 + "cn"),
    ],
)
def test_a_passkey_out_of_its_bounds_is_malformed(name: str, value: object) -> None:
    with pytest.raises(MalformedMessage):
        replace(SIGNER.passkey, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "origins",
    [
        (),
        PORTAL.origins * 2,
        ("http://credit.example.cn",),
        ("https://credit.example.cn/",),
        ("https://Credit.example.cn",),
        ("https://notcredit.example.cn",),
        ("https://example.cn",),
        ("https://credit.example.cn@evil.example",),
        ("credit.example.cn",),
    ],
)
def test_a_relying_party_lists_only_pages_of_its_own(origins: tuple[str, ...]) -> None:
    with pytest.raises(MalformedMessage):
        RelyingParty(relying_party_id="credit.example.cn", origins=origins)


def test_plain_http_is_for_localhost_alone() -> None:
    local = RelyingParty(relying_party_id="localhost", origins=("http://localhost:8000",))
    signer = SoftwareAuthenticator.create(local)
    signer.sign(DOCUMENT).verify(signer.register(DOCUMENT).verify(DOCUMENT, local), DOCUMENT, local)


def passkey_bytes() -> st.SearchStrategy[bytes]:
    """Honest bytes with a stretch replaced, and any bytes at all."""
    honest = st.sampled_from([ASSERTION.encode(), SIGNER.passkey.encode(), REGISTRATION.encode()])
    spliced = st.builds(
        lambda data, start, length, new: data[:start] + new + data[start + length :],
        honest, st.integers(0, 300), st.integers(0, 20), st.binary(max_size=20),
    )  # fmt: skip
    return spliced | st.binary(max_size=400)


@given(passkey_bytes())
def test_any_bytes_are_in_their_one_form_or_give_only_our_error(data: bytes) -> None:
    for kind in (Assertion, Passkey, PasskeyRegistration):
        try:
            value = kind.decode(data)
        except MalformedMessage:
            continue
        assert value.encode() == data
        if isinstance(value, Passkey) or data == ASSERTION.encode():
            continue
        try:
            if isinstance(value, PasskeyRegistration):
                # Nothing signs one: what it says differently is another passkey, or refused.
                value.verify(DOCUMENT, PORTAL)
                continue
            value.verify(SIGNER.passkey, DOCUMENT, PORTAL)
        except PeerError:
            continue
        pytest.fail("an assertion that nobody signed was accepted")


@given(st.binary(min_size=37, max_size=37), st.binary(min_size=1, max_size=200), st.binary(min_size=8, max_size=72))
def test_any_assertion_gives_only_our_error(authenticator_data: bytes, client_data: bytes, signature: bytes) -> None:
    for first, second in (
        (authenticator_data, ASSERTION.client_data_json),
        (ASSERTION.authenticator_data, client_data),
    ):
        with pytest.raises(PeerError):
            Assertion(authenticator_data=first, client_data_json=second, signature=signature).verify(
                SIGNER.passkey, DOCUMENT, PORTAL
            )


def test_an_authenticators_key_is_not_shown() -> None:
    assert repr(SIGNER) == "<SoftwareAuthenticator: secret>"
    assert Conduct() == HONEST
