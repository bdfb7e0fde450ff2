"""A bank's decryption keys, and what others know of them.

A bank has three: Paillier (one score at a time) and two of BFV, whose parameters differ: inner products of training
and sums of batch scoring. The participant document names the Paillier modulus itself and, for the two lattice keys,
one fingerprint over both; the keys travel beside it as a `LatticeKeys` message.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from crypto.errors import MalformedMessage, UntrustedKey
from crypto.labels import Label, labelled
from crypto.lattice.keys import BankLatticeKey, LatticePublicKey
from crypto.lattice.parameters import ADDITION, INNER_PRODUCT
from crypto.paillier import BankPaillierKey
from models.wire.codec import Blob, WireMessage

PAILLIER_FILE: Final = "paillier"
LATTICE_TRAINING_FILE: Final = "lattice-training"
LATTICE_SCORING_FILE: Final = "lattice-scoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatticeKeys(WireMessage):
    """A bank's two public lattice keys, as they travel."""

    training: Blob
    scoring: Blob

    def fingerprint(self) -> bytes:
        """SHA-256 over both keys: what the participant document names."""
        digests = (hashlib.sha256(self.training).digest(), hashlib.sha256(self.scoring).digest())
        return hashlib.sha256(labelled(Label.LATTICE_FINGERPRINT, *digests)).digest()


@dataclass(frozen=True, slots=True)
class PublicBankKeys:
    """What may encrypt to a bank, or compute on its ciphertexts."""

    training: LatticePublicKey
    scoring: LatticePublicKey

    @classmethod
    def verify(cls, data: bytes, named_fingerprint: bytes) -> PublicBankKeys:
        """The keys in `data`, if they are those that the bank's signed document names.

        Raises `UntrustedKey` for others and `MalformedMessage` for what is no key.
        """
        keys = LatticeKeys.decode(data)
        if keys.fingerprint() != named_fingerprint:
            raise UntrustedKey("a bank's lattice keys are not those that its document names")
        public = cls(LatticePublicKey.from_bytes(keys.training), LatticePublicKey.from_bytes(keys.scoring))
        if public.training.parameters != INNER_PRODUCT or public.scoring.parameters != ADDITION:
            raise MalformedMessage("a bank's lattice keys have other parameters than ours")
        return public


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class BankKeys:
    """What decrypts. It never leaves the bank."""

    paillier: BankPaillierKey
    training: BankLatticeKey
    scoring: BankLatticeKey

    @classmethod
    def new_lattice_keys(cls) -> tuple[BankLatticeKey, BankLatticeKey]:
        """New lattice keys, for training and for scoring, from the operating system's randomness."""
        return BankLatticeKey.generate(INNER_PRODUCT), BankLatticeKey.generate(ADDITION)

    @classmethod
    def from_private_bytes(cls, *, paillier: bytes, training: bytes, scoring: bytes) -> BankKeys:
        """The keys that the bank's home holds."""
        return cls(
            BankPaillierKey.from_private_bytes(paillier),
            BankLatticeKey.from_private_bytes(training),
            BankLatticeKey.from_private_bytes(scoring),
        )

    def public_lattice_keys(self) -> LatticeKeys:
        """Both public lattice keys, as they travel."""
        return LatticeKeys(training=self.training.public.to_bytes(), scoring=self.scoring.public.to_bytes())
