"""A participant's home: what every node's home holds, and its data, runs and models.

    home.json            who this participant is
    keys/                its private keys and signed documents, by serial (`models.hosting.trust.home`)
    pins/                whom it trusts, and their documents
    node.sqlite          its database, unless `database.url` names another
    data/                its records
    runs/<run id>/       what it keeps of each run
    models/<version>/    its block of each finished model
    ledger               the mask contexts it has used
    lock                 held while a step is answered
    replies/             the replies it has given

Directories are 0700 and files 0600. Nothing in here is ever sent but its documents; messages are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crypto.identifiers import ParticipantId, Role
from crypto.identity import PublicIdentity
from crypto.paillier import BankPaillierKey
from models.hosting.storage.files import private_directory
from models.hosting.trust.home import NodeHome
from models.hosting.trust.key_parts import NODE, Part
from participants.keys import LATTICE_SCORING_FILE, LATTICE_TRAINING_FILE, PAILLIER_FILE, BankKeys, LatticeKeys
from participants.node_database import create_node_database

PAILLIER: Final = "paillier"
LATTICE: Final = "lattice"


class Home(NodeHome):
    """An existing home of a department or a bank. Make a new one with `Home.create`."""

    @property
    def rotatable(self) -> frozenset[str]:
        """The parts of the keys that `prepare_rotation` makes anew. A bank's lattice keys stay with its runs."""
        return super().rotatable | {NODE} | ({PAILLIER} if self.role is Role.BANK else set())

    def bank_keys(self) -> BankKeys:
        """A bank's current decryption keys."""
        return BankKeys.from_private_bytes(
            paillier=self.private_bytes(PAILLIER_FILE),
            training=self.private_bytes(LATTICE_TRAINING_FILE),
            scoring=self.private_bytes(LATTICE_SCORING_FILE),
        )

    def paillier_keys(self) -> dict[bytes, BankPaillierKey]:
        """A bank's Paillier keys that may still be used, by fingerprint: the current one first, then those in grace."""
        keys: dict[bytes, BankPaillierKey] = {}
        for serial in self.serials():
            key = BankPaillierKey.from_private_bytes(self.private_bytes(PAILLIER_FILE, serial=serial))
            keys.setdefault(key.public.fingerprint(), key)
        return keys

    def pin(self, identities: Mapping[ParticipantId, PublicIdentity]) -> None:
        """Trust these identities, whose documents are not known yet; `pins.pin` takes documents.

        The caller compared their fingerprints by another channel.
        """
        self.pins.pin_fingerprints({name: public.fingerprint() for name, public in identities.items()})

    def pinned_fingerprint(self, participant: ParticipantId) -> bytes:
        """The fingerprint of the newest identity pinned for `participant`; raises `UntrustedKey` if none was."""
        return self.pins.fingerprint(participant)

    def _furnish(self) -> None:
        for folder in ("data", "runs", "models"):
            private_directory(self.directory / folder)
        create_node_database(self.directory, self.role)

    def _first_parts(self, address: str) -> tuple[str, ...]:
        return (*super()._first_parts(address), *((PAILLIER, LATTICE) if self.role is Role.BANK else ()))

    def _make(self, part: str, address: str) -> Part:
        if part == PAILLIER:
            paillier = BankPaillierKey.generate()
            return Part({PAILLIER_FILE: paillier.to_private_bytes()}, {"paillier_modulus": paillier.public.modulus})
        if part == LATTICE:
            training, scoring = BankKeys.new_lattice_keys()
            public = LatticeKeys(training=training.public.to_bytes(), scoring=scoring.public.to_bytes())
            files = {
                LATTICE_TRAINING_FILE: training.to_private_bytes(),
                LATTICE_SCORING_FILE: scoring.to_private_bytes(),
            }
            return Part(files, {"lattice_key_fingerprint": public.fingerprint()})
        return super()._make(part, address)
