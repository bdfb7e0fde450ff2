"""Sealed boxes: bytes that one recipient alone can open (HPKE, RFC 9180, base mode).

DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; `info` is the label and the context.

| who       | learns                                              |
|-----------|-----------------------------------------------------|
| recipient | the plaintext; not who sealed it (sign it inside)   |
| relay     | the length of the plaintext, and who the recipient is|

Whoever has no identity but an X25519 key opens boxes with that (`seal_to_key`, `unseal_with_key`); they are the same.

A box opens only under the label and context that it was sealed under, so one made for a run, a round or
a purpose is of no use in another.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from crypto.errors import MalformedMessage, PeerError, ProtocolStateError
from crypto.identity import KEY_BYTES, Identity, PublicIdentity
from crypto.labels import Label, labelled

OVERHEAD_BYTES: Final = 32 + 16
"""The encapsulated key and the tag: a box is this much longer than its plaintext."""

MAXIMUM_PLAINTEXT_BYTES: Final = 1 << 28

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal(recipient: PublicIdentity, plaintext: bytes, *, label: Label, context: bytes) -> bytes:
    """Return `plaintext` sealed to `recipient`, for this label and context."""
    return seal_to_key(recipient.agreement_key, plaintext, label=label, context=context)


def seal_to_key(agreement_key: bytes, plaintext: bytes, *, label: Label, context: bytes) -> bytes:
    """Return `plaintext` sealed to whoever has the X25519 key (32 bytes), for this label and context.

    Raises `MalformedMessage` for a key that is none, or a point of small order.
    """
    if len(plaintext) > MAXIMUM_PLAINTEXT_BYTES:
        raise ProtocolStateError("a plaintext is too long to be sealed at once")
    if len(agreement_key) != KEY_BYTES:
        raise MalformedMessage("an agreement key is 32 bytes")
    public_key = X25519PublicKey.from_public_bytes(agreement_key)
    try:
        return _SUITE.encrypt(plaintext, public_key, info=labelled(label, context))
    except ValueError as error:
        raise MalformedMessage("an agreement key is a point of small order") from error


def unseal(identity: Identity, sealed: bytes, *, label: Label, context: bytes) -> bytes:
    """Return the plaintext of a box sealed to `identity`.

    Raises `MalformedMessage` for a wrong length and `PeerError` if the box was not sealed to this
    identity under this label and context.
    """
    return unseal_with_key(identity.private_agreement_key(), sealed, label=label, context=context)


def unseal_with_key(private: X25519PrivateKey, sealed: bytes, *, label: Label, context: bytes) -> bytes:
    """Return the plaintext of a box sealed to this key; the errors are those of `unseal`."""
    if not OVERHEAD_BYTES <= len(sealed) <= OVERHEAD_BYTES + MAXIMUM_PLAINTEXT_BYTES:
        raise MalformedMessage("a sealed box has an impossible length")
    try:
        return _SUITE.decrypt(sealed, private, info=labelled(label, context))
    except (InvalidTag, ValueError) as error:
        raise PeerError("a sealed box does not open under this key, label and context") from error
