"""Sealed boxes."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage, PeerError, YurongError
from crypto.identity import Identity
from crypto.labels import Label
from crypto.sealed import OVERHEAD_BYTES, seal, seal_to_key, unseal, unseal_with_key

RECIPIENT, OTHER = Identity.generate(), Identity.generate()
LABEL = Label.SEALED_COHORT


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_a_box_opens_for_its_recipient_under_its_label_and_context_alone(plaintext: bytes, context: bytes) -> None:
    sealed = seal(RECIPIENT.public, plaintext, label=LABEL, context=context)
    assert len(sealed) == len(plaintext) + OVERHEAD_BYTES
    assert unseal(RECIPIENT, sealed, label=LABEL, context=context) == plaintext
    for identity, label, other in [
        (OTHER, LABEL, context),
        (RECIPIENT, Label.SEALED_REQUEST, context),
        (RECIPIENT, LABEL, context + b"x"),
    ]:
        with pytest.raises(PeerError):
            unseal(identity, sealed, label=label, context=other)


def test_two_boxes_of_one_plaintext_differ() -> None:
    first, second = (seal(RECIPIENT.public, b"same", label=LABEL, context=b"") for _ in range(2))
    assert first[:32] != second[:32]
    assert first[32:] != second[32:]


def test_a_changed_or_cut_box_is_refused() -> None:
    sealed = seal(RECIPIENT.public, b"plaintext", label=LABEL, context=b"")
    for position in range(len(sealed)):
        changed = sealed[:position] + bytes([sealed[position] ^ 0x40]) + sealed[position + 1 :]
        with pytest.raises(PeerError):
            unseal(RECIPIENT, changed, label=LABEL, context=b"")
    with pytest.raises(MalformedMessage):
        unseal(RECIPIENT, sealed[: OVERHEAD_BYTES - 1], label=LABEL, context=b"")


def test_an_encapsulated_key_of_small_order_is_refused() -> None:
    with pytest.raises(PeerError):
        unseal(RECIPIENT, bytes(32) + bytes(40), label=LABEL, context=b"")


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_whoever_has_only_an_agreement_key_opens_what_is_sealed_to_it(plaintext: bytes, context: bytes) -> None:
    private = X25519PrivateKey.generate()
    sealed = seal_to_key(private.public_key().public_bytes_raw(), plaintext, label=LABEL, context=context)
    assert unseal_with_key(private, sealed, label=LABEL, context=context) == plaintext
    with pytest.raises(PeerError):
        unseal_with_key(private, sealed, label=LABEL, context=context + b"x")
    with pytest.raises(PeerError):
        unseal(OTHER, sealed, label=LABEL, context=context)
    to_identity = seal_to_key(RECIPIENT.public.agreement_key, plaintext, label=LABEL, context=context)
    assert unseal(RECIPIENT, to_identity, label=LABEL, context=context) == plaintext


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), bytes(32), bytes([1, *bytes(31)])], ids=range(5))
def test_nothing_is_sealed_to_what_is_no_key(key: bytes) -> None:
    with pytest.raises(MalformedMessage):
        seal_to_key(key, b"plaintext", label=LABEL, context=b"")


@given(st.binary(max_size=300))
def test_any_bytes_give_only_our_error(data: bytes) -> None:
    with pytest.raises(YurongError):
        unseal(RECIPIENT, data, label=LABEL, context=b"")
