"""RFC 9421 in our one form: the library agrees, and every attack that a weaker check lets through is refused."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import http_message_signatures as library
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import MalformedMessage, SignatureInvalid, UntrustedKey, YurongError
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from crypto.labels import Label
from models.hosting.errors import Misdirected, SignatureReplayed, SignatureStale, TooManyRequests
from models.hosting.https import signatures
from models.hosting.https.signatures import NonceMemory, RequestSigner, RequestVerifier, authority_of

TAG = "yurong-tests"
AUTHORITY = "127.0.0.1:8443"
PATH = "/v1/scores"
URL = f"https://{AUTHORITY}{PATH}"
BODY = b"a request"
Headers = list[tuple[bytes, bytes]]


def raw(headers: dict[str, str]) -> Headers:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def signed(world: Any, body: bytes = BODY, url: str = URL, tag: str = TAG) -> Headers:
    return raw(world.bureau.signer(world.clock, tag).sign("POST", url, body))


def verify(verifier: RequestVerifier, headers: Headers, **changes: Any) -> ParticipantId:
    parts = {"method": "POST", "authority": AUTHORITY, "path": PATH, "headers": headers, "body": BODY} | changes
    return verifier.verify(**parts)


def changed(headers: Headers, name: bytes, change: Callable[[bytes], bytes]) -> Headers:
    return [(key, change(value) if key == name else value) for key, value in headers]


class Everything(list[str]):
    """A collection that nothing is missing from."""

    def __contains__(self, _one: object, /) -> bool:
        return True


class Forgetful(NonceMemory):
    """Remembers nothing."""

    def use(self, signer: ParticipantId, nonce: str, now: float) -> None:
        pass


def test_a_signed_request_is_its_signers(world: Any) -> None:
    assert verify(world.verifier(), signed(world)) == "bureau"


def test_the_form_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nodes of two releases must understand each other.
    monkeypatch.setattr("secrets.token_urlsafe", lambda _bytes: "AAECAwQFBgcICQoLDA0ODw")
    identity = Identity.from_private_bytes(bytes(range(64)))
    clock = SimpleNamespace(now=lambda: 1_800_000_000.9)
    made = RequestSigner(identity, ParticipantId("bureau"), tag=TAG, clock=clock).sign("POST", URL, BODY)
    assert made == {
        "content-digest": "sha-256=:rwvypWLaviqB4LC0ejOlFbXoSVxy//IYr0wV8/Bm+kQ=:",
        "signature-input": 'yurong=("@method" "@authority" "@path" "content-digest");created=1800000000;'
        'expires=1800000030;nonce="AAECAwQFBgcICQoLDA0ODw";keyid="bureau";tag="yurong-tests"',
        "signature": "yurong=:"
        "t2rn1nip3tr/Gr23rO5qSsxBJsjLKPkgPE33GRTaaVGWZglYpf4pRlC/CHl8n7vdYMIAr1CGL1c1vFytOFijBw==:",
    }


class Keys(library.HTTPSignatureKeyResolver):
    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    def resolve_public_key(self, _key_id: str) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.identity.public.signing_key)

    def resolve_private_key(self, _key_id: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.identity.to_private_bytes()[:32])


COMPONENTS = ("@method", "@authority", "@path", "content-digest")
URLS = st.builds(
    "https://{}{}{}".format,
    st.sampled_from(["tax.example", "a-b.c", "10.0.0.1", "[::1]", "TAX.example"]),
    st.sampled_from(["", ":443", ":8443", ":1"]),
    st.from_regex(r"/[A-Za-z0-9/_.~-]{0,40}", fullmatch=True),
)


@settings(max_examples=60, deadline=None)
@given(url=URLS, body=st.binary(max_size=200), method=st.sampled_from(["POST", "GET", "PUT"]))
def test_the_library_takes_what_we_sign(url: str, body: bytes, method: str) -> None:
    identity, clock = Identity.generate(), SimpleNamespace(now=lambda: dt.datetime.now(dt.UTC).timestamp())
    headers = RequestSigner(identity, ParticipantId("bureau"), tag=TAG, clock=clock).sign(method, url, body)
    verifier = library.HTTPMessageVerifier(signature_algorithm=library.algorithms.ED25519, key_resolver=Keys(identity))
    message = SimpleNamespace(method=method, url=url, headers=headers)
    (result,) = verifier.verify(message, expect_tag=TAG, require_components=COMPONENTS, body=body)
    assert result.parameters["keyid"] == "bureau"
    assert authority_of(url) == result.covered_components['"@authority"']


@settings(max_examples=60, deadline=None)
@given(url=URLS, body=st.binary(max_size=200))
def test_we_take_what_the_library_signs_in_our_order(url: str, body: bytes) -> None:
    identity, now = Identity.generate(), dt.datetime.now(dt.UTC)
    message = SimpleNamespace(method="POST", url=url, headers={})
    library.HTTPMessageSigner(signature_algorithm=library.algorithms.ED25519, key_resolver=Keys(identity)).sign(
        message,
        key_id="bureau",
        created=now,
        expires=now + dt.timedelta(seconds=30),
        nonce="q83vEjRWeJCrze8SNFZ4kA",
        tag=TAG,
        label="yurong",
        include_alg=False,
        covered_component_ids=COMPONENTS,
        body=body,
    )
    authority, path = signatures._split(url)
    base = {name.lower(): value for name, value in message.headers.items()}
    # The library writes keyid before expires; ours is one fixed order, so its bytes are signed again in that order.
    ours = re.sub(
        r'(;created=\d+)(;keyid="bureau")(;expires=\d+)(;nonce="[^"]+")', r"\1\3\4\2", base["signature-input"]
    )
    text = signatures._signature_base("POST", authority, path, base["content-digest"], ours.removeprefix("yurong="))
    signature = Keys(identity).resolve_private_key("").sign(text)
    base |= {"signature-input": ours, "signature": f"yurong=:{base64.b64encode(signature).decode()}:"}
    clock = SimpleNamespace(now=now.timestamp)
    keys = {"bureau": [identity.public]}
    verifier = RequestVerifier(
        lambda name: keys.get(name, []), NonceMemory(), authorities=lambda: {authority}, tag=TAG, clock=clock
    )
    assert verifier.verify("POST", authority, path, raw(base), body) == "bureau"


def test_a_replay_is_refused_and_a_forgetful_memory_would_take_it(world: Any) -> None:
    headers = signed(world)
    for verifier, times in ((world.verifier(nonces=Forgetful()), 3), (world.verifier(), 1)):
        for _ in range(times):
            assert verify(verifier, headers) == "bureau"
    with pytest.raises(SignatureReplayed):
        verify(verifier, headers)


def test_a_replay_is_refused_as_long_as_its_signature_is_valid(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "LIFETIME_SECONDS", signatures.MAXIMUM_LIFETIME_SECONDS)
    verifier = world.verifier()
    world.clock.time += signatures.CLOCK_SKEW_SECONDS  # the signer's clock is ahead by as much as it may be
    headers = signed(world)
    world.clock.time -= signatures.CLOCK_SKEW_SECONDS
    verify(verifier, headers)
    for _ in range(81):
        with pytest.raises(SignatureReplayed):
            verify(verifier, headers)
        world.clock.time += 1
    with pytest.raises(SignatureStale):
        verify(verifier, headers)


def test_a_replay_after_a_restart_is_refused(world: Any) -> None:
    headers = signed(world)
    verify(world.verifier(), headers)
    world.clock.time += 2
    with pytest.raises(SignatureStale):
        verify(world.verifier(), headers)
    assert verify(world.verifier(), signed(world)) == "bureau"


def test_a_stale_signature_is_refused_and_a_clock_that_stands_still_would_take_it(world: Any) -> None:
    headers, verifier = signed(world), world.verifier()
    still = world.verifier(clock=SimpleNamespace(now=lambda: 1_800_000_000.0))
    world.clock.time += signatures.LIFETIME_SECONDS + signatures.CLOCK_SKEW_SECONDS + 1
    assert verify(still, headers) == "bureau"
    with pytest.raises(SignatureStale):
        verify(verifier, headers)


def test_a_signature_of_the_future_is_refused(world: Any) -> None:
    verifier = world.verifier()
    world.clock.time += signatures.CLOCK_SKEW_SECONDS + 2
    headers = signed(world)
    world.clock.time -= signatures.CLOCK_SKEW_SECONDS + 2
    with pytest.raises(SignatureStale):
        verify(verifier, headers)


@pytest.mark.parametrize("lifetime", [0, -5, 61, 10**6])
def test_a_signature_for_ever_or_for_never_is_refused(
    world: Any, monkeypatch: pytest.MonkeyPatch, lifetime: int
) -> None:
    monkeypatch.setattr(signatures, "LIFETIME_SECONDS", lifetime)
    with pytest.raises(SignatureStale):
        verify(world.verifier(), signed(world))


def test_another_body_is_refused_and_a_verifier_that_forgets_the_digest_would_take_it(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = signed(world)
    with pytest.raises(SignatureInvalid):
        verify(world.verifier(), headers, body=b"another")
    monkeypatch.setattr("hmac.compare_digest", lambda _a, _b: True)
    assert verify(world.verifier(), headers, body=b"another") == "bureau"


@pytest.mark.parametrize(("part", "other"), [("method", "PUT"), ("path", "/v1/offers"), ("authority", "bank.example")])
def test_another_part_is_refused_and_a_base_without_it_would_take_it(
    world: Any, monkeypatch: pytest.MonkeyPatch, part: str, other: str
) -> None:
    verifier = world.verifier(authorities=Everything)
    headers = signed(world)
    with pytest.raises(SignatureInvalid):
        verify(verifier, headers, **{part: other})
    whole = signatures._signature_base

    def without(method: str, authority: str, path: str, *rest: str) -> bytes:
        parts = {"method": method, "authority": authority, "path": path} | {part: "X" if part == "method" else "/"}
        return whole(parts["method"], parts["authority"].strip("/") or "x", parts["path"], *rest)

    monkeypatch.setattr(signatures, "_signature_base", without)
    assert verify(verifier, signed(world), **{part: other}) == "bureau"


def test_a_request_to_one_department_is_not_taken_by_another(world: Any) -> None:
    # The bureau asks the other department; whoever sees the request hands it on, Host and all.
    other = "police.example:8443"
    headers = signed(world, url=f"https://{other}{PATH}")
    assert verify(world.verifier(authorities=Everything), headers, authority=other) == "bureau"
    with pytest.raises(Misdirected):
        verify(world.verifier(), headers, authority=other)


def test_a_request_to_one_service_is_not_taken_by_another(world: Any) -> None:
    headers = signed(world, tag="yurong-gateway")
    assert verify(world.verifier(tag="yurong-gateway"), headers) == "bureau"  # one tag for all would take it
    with pytest.raises(SignatureInvalid):
        verify(world.verifier(), headers)


@pytest.mark.parametrize("name", [b"signature", b"signature-input", b"content-digest", b"Signature"])
def test_a_header_that_stands_twice_is_refused_and_the_last_one_wins_in_a_dict(
    world: Any, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    headers = signed(world)
    twice = [(name, b"what a reader of the first one sees"), *headers]
    with pytest.raises(SignatureInvalid):
        verify(world.verifier(), twice)

    def lenient(pairs: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
        return [{key.lower(): value for key, value in pairs}[one] for one in signatures._HEADERS]

    monkeypatch.setattr(signatures, "_only_once", lenient)
    assert verify(world.verifier(), twice) == "bureau"


def test_nobody_signs_for_another(world: Any) -> None:
    forged = raw(
        RequestSigner(world.bank.identity, world.bureau.name, tag=TAG, clock=world.clock).sign("POST", URL, BODY)
    )
    with pytest.raises(SignatureInvalid):
        verify(world.verifier(), forged)
    # A verifier that takes any pinned key for any name would say that the bureau sent it.
    keys = [one.identity for documents in world.pinned.values() for one in documents]
    weak = RequestVerifier(lambda _: keys, NonceMemory(), authorities=Everything, tag=TAG, clock=world.clock)
    assert verify(weak, forged) == "bureau"


def test_a_stranger_is_refused(world: Any) -> None:
    headers = raw(world.stranger.signer(world.clock).sign("POST", URL, BODY))
    with pytest.raises(UntrustedKey):
        verify(world.verifier(), headers)


def test_both_identities_of_a_rotation_are_taken_and_the_old_one_ends_with_it(world: Any) -> None:
    old, new = signed(world), Identity.generate()
    document = type(world.bureau.document)(role=world.bureau.role, identity=new.public, certificate=b"")
    world.pinned[world.bureau.name].append(document)
    verifier = world.verifier()
    assert verify(verifier, old) == "bureau"
    newer = RequestSigner(new, world.bureau.name, tag=TAG, clock=world.clock)
    assert verify(verifier, raw(newer.sign("POST", URL, BODY))) == "bureau"
    world.pinned[world.bureau.name] = [document]
    with pytest.raises(SignatureInvalid):
        verify(verifier, signed(world))


def test_a_party_that_was_unpinned_between_head_and_body_is_refused(world: Any) -> None:
    verifier = world.verifier()
    claimed = verifier.read(signed(world))
    del world.pinned[world.bureau.name]
    with pytest.raises(UntrustedKey):
        verifier.check(claimed, "POST", AUTHORITY, PATH, BODY)


def test_a_failed_check_uses_no_nonce_up(world: Any) -> None:
    memory = NonceMemory()
    verifier, headers = world.verifier(nonces=memory), signed(world)
    with pytest.raises(SignatureInvalid):
        verify(verifier, headers, body=b"another")
    assert len(memory) == 0
    assert verify(verifier, headers) == "bureau"


def test_one_party_cannot_use_up_the_memory_of_another_nor_keep_it_for_ever() -> None:
    memory = NonceMemory(maximum_of_a_party=3)
    bureau, bank = ParticipantId("bureau"), ParticipantId("bank")
    for number in range(3):
        memory.use(bureau, f"nonce {number}", 100.0 + number)
    with pytest.raises(TooManyRequests):
        memory.use(bureau, "one more", 103.0)
    memory.use(bank, "nonce 0", 103.0)
    memory.use(bureau, "one more", 100.5 + signatures.MAXIMUM_LIFETIME_SECONDS + 2 * signatures.CLOCK_SKEW_SECONDS)
    assert len(memory) == 4


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (b"signature", lambda value: value.replace(b"==:", b"=:")),
        (b"signature", lambda value: value.replace(b"==:", b"==:;a=1")),
        (b"signature", lambda value: value[:-5] + bytes([value[-5] ^ 1]) + value[-4:]),
        (b"signature", lambda value: b"other" + value[6:]),
        (b"signature", lambda value: value + b", other=:AAAA:"),
        (b"signature-input", lambda value: value.replace(b'"@path" ', b"")),
        (b"signature-input", lambda value: value.replace(b'"@method" "@authority"', b'"@authority" "@method"')),
        (b"signature-input", lambda value: value.replace(b'"@path"', b'"@path";req')),
        (b"signature-input", lambda value: value.replace(b";created=1", b";created=01")),
        (b"signature-input", lambda value: value + b';alg="hmac-sha256"'),
        (b"signature-input", lambda value: value.replace(b'keyid="bureau"', b'keyid="Bureau"')),
        (b"signature-input", lambda value: value + b" "),
        (b"signature-input", lambda value: value + b"\n"),
        (b"signature-input", lambda value: value.replace(b"1800000000", b"9" * 4000)),
        (b"content-digest", lambda value: value.replace(b"sha-256", b"sha-512")),
        (b"content-digest", lambda value: value + b", sha-512=:AAAA:"),
        (b"content-digest", lambda _: b""),
    ],
)
def test_every_other_spelling_is_refused(world: Any, name: bytes, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(SignatureInvalid):
        verify(world.verifier(), changed(signed(world), name, change))


@pytest.mark.parametrize("left_out", [b"signature", b"signature-input", b"content-digest"])
def test_an_unsigned_request_is_refused(world: Any, left_out: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        verify(world.verifier(), [one for one in signed(world) if one[0] != left_out])


PIECES = st.sampled_from(
    b"yurong=|"
    b'("@method" "@authority" "@path" "content-digest")|;created=1800000000|;expires=1800000030|sha-256=:|:|=|=='
    b'|;nonce="AAECAwQFBgcICQoLDA0ODw"|;keyid="bureau"|;tag="yurong-tests"|,|"|\xff|\0|\n'.split(b"|")
)
FIELD = st.lists(PIECES | st.binary(max_size=4), max_size=12).map(b"".join)
NAME = st.sampled_from([b"signature", b"signature-input", b"content-digest", b"Signature", b"host", b"\xff"])


@settings(max_examples=300, deadline=None)
@given(
    headers=st.lists(st.tuples(NAME, FIELD), max_size=5),
    method=st.text(max_size=5),
    authority=st.text(max_size=5),
    path=st.text(max_size=5),
)
def test_only_our_errors_escape_the_verifier(
    shared_world: Any, headers: Headers, method: str, authority: str, path: str
) -> None:
    verifier = shared_world.verifier(authorities=Everything)
    with pytest.raises(YurongError):
        verifier.verify(method, authority, path, headers, BODY)
    whole = [one for one in signed(shared_world) if one[0] not in {name.lower() for name, _ in headers}]
    with pytest.raises(YurongError):
        verifier.verify(method, authority, path, whole + headers, BODY)


@pytest.mark.parametrize(
    "url",
    [
        *("http://tax.example/", "https://tax.example/?a=1", "https://tax.example/?", "https://u@tax.example/"),
        *("https://[::1/", "ftp://a/b", "https://tax.example:99999/", "https://tax.example/%2e", "https:///x", ""),
        *("https://tax.example/ä", "https://tax.example/#x", "https://täx.example/", "https://tax.example/\n"),
        *("https://tax.example/\t", "https://tax.\rexample/", " https://tax.example/"),
    ],
)
def test_no_other_address_is_signed_for(world: Any, url: str) -> None:
    with pytest.raises(MalformedMessage):
        world.bureau.signer(world.clock).sign("POST", url, BODY)


def test_what_an_identity_signs_elsewhere_is_no_request() -> None:
    # A signature base begins with a quotation mark; what a label stands before begins with the label.
    assert not [label for label in Label if label.startswith('"')]


def test_a_signer_shows_no_secret(world: Any) -> None:
    signer = world.bureau.signer(world.clock)
    assert repr(signer) == "<RequestSigner: secret>"
    assert not hasattr(signer, "__dict__")


@pytest.mark.parametrize("tag", ["", "A", "a" * 41, 'a"', "a\n", "ä"])
def test_a_tag_has_one_form(world: Any, tag: str) -> None:
    with pytest.raises(MalformedMessage):
        world.verifier(tag=tag)
