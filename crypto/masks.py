"""Masked sums: vectors of words mod 2^64 of which a coordinator can read the total alone, or nothing.

    c_j = v_j + sum_{k in S, k > j} PRG(s_jk, context) - sum_{k in S, k < j} PRG(s_jk, context)   mod 2^64
    sum_j c_j = sum_j v_j

`s_jk` is the X25519 agreement of j and k. PRG is AES-256-CTR under a key that HKDF derives from `s_jk`, both
identities and the digest of the context; up to four words are taken from HKDF's expansion itself (Bonawitz et al.,
CCS 2017, without recovery of dropped shares: a participant that drops ends the round, which is run again under a new
context).

| who                               | learns                                                       |
|-----------------------------------|--------------------------------------------------------------|
| a member                          | nothing of the others                                        |
| the coordinator                   | the sum over S; nothing if one member adds its share elsewhere|
| the coordinator and some members  | the sum over the other members                               |

Two vectors masked under one context give away their difference, so a context is claimed in a ledger
before its keystream is made, and never a second time. What a malicious member can do: falsify the sum.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.errors import MaskContextReused, ProtocolStateError, TooFewMembers
from crypto.fixed_point import Words, from_fixed_point, to_fixed_point
from crypto.identifiers import ParticipantId, RunId
from crypto.identity import KEY_BYTES, Identity, PublicIdentity
from crypto.labels import Label, labelled
from crypto.secret import Secret

__all__ = [
    "ContextLedger",
    "GroupPad",
    "MaskContext",
    "MemoryLedger",
    "PairwiseSecrets",
    "from_fixed_point",
    "to_fixed_point",
]

WORDS_A_BLOCK: Final = 4
"""Words in one block of HKDF-SHA256's expansion."""

MAXIMUM_WORDS: Final = 1 << 27
"""The longest keystream of one context: 1 GiB."""

_FROM_ZERO: Final = modes.CTR(bytes(16))
_WORDS_AT_ONCE: Final = 1 << 14


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskContext:
    """What one masked sum is for. Everything in it goes into the keys of its masks.

    run_id, plan_digest: the run, and the SHA-256 of the plan that all its participants agreed to.
    round, attempt: not negative; a round that is run again has another attempt.
    purpose, direction: what is summed, and who to whom, such as `"image"` and `"departments-to-bank"`.
    members: S, sorted and unique, two or more.
    """

    run_id: RunId
    plan_digest: bytes
    round: int
    attempt: int
    purpose: str
    direction: str
    members: tuple[ParticipantId, ...]

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise TooFewMembers(
                "a masked sum over fewer than two members protects nobody", advice="Wait for more participants."
            )
        if list(self.members) != sorted(set(self.members)):
            raise ProtocolStateError("the members of a masked sum are sorted and each appears once")
        if not (0 <= self.round < 1 << 32 and 0 <= self.attempt < 1 << 32):
            raise ProtocolStateError("the round and the attempt of a masked sum are 32-bit numbers")

    def digest(self) -> bytes:
        """Return the SHA-256 (32 bytes) that stands for this context and no other."""
        framed = labelled(
            Label.MASK_CONTEXT,
            self.run_id.encode(),
            self.plan_digest,
            self.round.to_bytes(4, "big"),
            self.attempt.to_bytes(4, "big"),
            self.purpose.encode(),
            self.direction.encode(),
            *(member.encode() for member in self.members),
        )
        return hashlib.sha256(framed).digest()


class ContextLedger(Protocol):
    """Remembers every context that was ever used. One that outlives the process belongs to each node."""

    def claim(self, digest: bytes) -> None:
        """Record `digest` durably; raise `MaskContextReused` if it was recorded before."""


class MemoryLedger:
    """A ledger that forgets when the process ends: for tests and for keys that end with it."""

    __slots__ = ("_claimed", "_lock")

    def __init__(self) -> None:
        self._claimed: set[bytes] = set()
        self._lock = threading.Lock()

    def claim(self, digest: bytes) -> None:
        """Record `digest`; raise `MaskContextReused` the second time."""
        with self._lock:
            if digest in self._claimed:
                raise MaskContextReused(
                    "a mask context was used before", advice="Run the round again as a new attempt; never repeat one."
                )
            self._claimed.add(digest)


class PairwiseSecrets(Secret):
    """One participant's agreements with its peers, and the masks they make."""

    __slots__ = ("_agreements", "_ledger", "_me")

    def __init__(
        self,
        identity: Identity,
        me: ParticipantId,
        peers: Mapping[ParticipantId, PublicIdentity],
        ledger: ContextLedger,
    ) -> None:
        """Agree with every one of `peers`, whose identities were pinned; an entry for `me` is passed over."""
        self._me = me
        self._ledger = ledger
        self._agreements = {
            peer: _extract(_pair_secret(identity, me, public, peer)) for peer, public in peers.items() if peer != me
        }

    def zero_sum_mask(self, context: MaskContext, length: int) -> Words:
        """Return this member's mask, uint64 (length,); the masks of all members sum to zero mod 2^64.

        Claims the context. `ProtocolStateError` if this participant is not a member or a member is no
        known peer, `MaskContextReused` if the context was claimed before.
        """
        _check_length(length)
        if self._me not in context.members:
            raise ProtocolStateError("a participant masks only for sums of which it is a member")
        others = [member for member in context.members if member != self._me]
        if not all(member in self._agreements for member in others):
            raise ProtocolStateError(
                "a member of the masked sum is not a known peer", advice="Pin the identity of every member first."
            )
        digest = context.digest()
        self._ledger.claim(digest)
        later = [self._agreements[member] for member in others if member > self._me]
        earlier = [self._agreements[member] for member in others if member < self._me]
        mask: Words = _summed_streams(later, digest, length) - _summed_streams(earlier, digest, length)
        return mask


class GroupPad(Secret):
    """A keystream that all members of a group can make: it hides a sum of theirs from who adds it up.

    One member adds the pad to its share (`hide`, which claims the context), all may take it from the sum
    (`pad`). The key is made by one member and sealed to the others.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ProtocolStateError("a group's key is 32 bytes")
        self._key = key

    @staticmethod
    def new_key() -> bytes:
        """Return a new group key (32 bytes) from the operating system's randomness."""
        return secrets.token_bytes(KEY_BYTES)

    @classmethod
    def generate(cls) -> Self:
        """Return a pad under a new key; for a group of which no other process is a member."""
        return cls(cls.new_key())

    def hide(self, context: MaskContext, words: Words, ledger: ContextLedger) -> Words:
        """Return `words` with the pad added, uint64 (length,). Claims the context in `ledger`."""
        ledger.claim(hashlib.sha256(labelled(Label.GROUP_PAD, context.digest())).digest())
        return words + self.pad(context, len(words))

    def pad(self, context: MaskContext, length: int) -> Words:
        """Return the pad of `context`, uint64 (length,), to be taken from a sum that holds it."""
        _check_length(length)
        return _keystream(_expand(_extract(self._key), labelled(Label.GROUP_PAD, context.digest())), length)


def _pair_secret(identity: Identity, me: ParticipantId, public: PublicIdentity, peer: ParticipantId) -> bytes:
    """Return 32 bytes known to both and bound to both names and all four keys."""
    both = sorted([(me, identity.public), (peer, public)], key=lambda pair: pair[0])
    info = labelled(Label.MASK, *(part for name, key in both for part in (name.encode(), key.fingerprint())))
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(identity.agree(public))


def _extract(secret: bytes) -> bytes:
    """Return HKDF-SHA256's pseudorandom key (RFC 5869, 2.2, no salt), which is the same for all contexts."""
    return hmac.digest(bytes(KEY_BYTES), secret, "sha256")


def _expand(pseudorandom_key: bytes, info: bytes) -> bytes:
    """Return HKDF-SHA256's first 32 bytes (RFC 5869, 2.3): one block."""
    return hmac.digest(pseudorandom_key, info + b"\x01", "sha256")


def _summed_streams(agreements: list[bytes], digest: bytes, length: int) -> Words:
    """Return the sum of the pairwise keystreams of one context, uint64 (length,).

    A keystream that fits into one block of HKDF's expansion is that block, under a label of its own: setting up AES for
    a word of each of 25 peers takes longer than anything else in an online score.
    """
    if length <= WORDS_A_BLOCK:
        info = labelled(Label.SHORT_MASK, digest)
        blocks = b"".join([_expand(agreement, info) for agreement in agreements])
        words = np.frombuffer(blocks, dtype="<u8").reshape(len(agreements), WORDS_A_BLOCK)[:, :length]
        return np.asarray(words.sum(axis=0, dtype=np.uint64))
    info = labelled(Label.MASK, digest)
    return _summed([_expand(agreement, info) for agreement in agreements], length)


def _keystream(key: bytes, length: int) -> Words:
    """Return AES-256-CTR's first words, uint64 (length,). The key is used once, so the counter starts at 0."""
    return _summed([key], length)


def _summed(keys: list[bytes], length: int) -> Words:
    """Return the sum of the keystreams of `keys`, uint64 (length,). Short ones are added many at a time."""
    total, zeros = np.zeros(length, np.uint64), bytes(8 * length)
    together = max(1, _WORDS_AT_ONCE // max(1, length))
    for start in range(0, len(keys), together):
        some = keys[start : start + together]
        octets = b"".join([Cipher(algorithms.AES256(key), _FROM_ZERO).encryptor().update(zeros) for key in some])
        total += np.frombuffer(octets, dtype="<u8").reshape(len(some), length).sum(axis=0, dtype=np.uint64)
    return total


def _check_length(length: int) -> None:
    if not 0 <= length <= MAXIMUM_WORDS:
        raise ProtocolStateError("a masked vector has an impossible length")
