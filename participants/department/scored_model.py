"""What a department keeps ready of a model that it gives scores by, and whose keys count at this moment.

Who is a department or a bank of a model is what its run agreed on, for ever. Which keys they have is what this
department has pinned now: a request names the serial of everybody's document, and only documents in force are taken.
So keys are exchanged while requests are under way, and whoever is unpinned is answered no more from that moment.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from crypto.errors import PeerError, UntrustedKey
from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from crypto.identity import Identity, ParticipantDocument, PublicIdentity
from crypto.masks import ContextLedger, PairwiseSecrets
from crypto.paillier import PaillierPublicKey
from models.wire.score_statement import ScoreStatement
from participants.department.errors import KeyNotInForce, UnknownModel
from participants.department.partials import partial_table
from participants.home import Home
from participants.model_store import ModelStore
from participants.runs.ledger import FileLedger
from participants.runs.run import Run

SETS_KEPT: Final = 16
"""Pairwise secrets are kept ready for so many sets of documents: agreeing with 25 peers takes 3 ms."""


class KeysInForce:
    """The pinned documents and own identities that count, as they are when it is made."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._documents = home.pins.documents()
        self._serials = home.serials()
        self._identities = home.identities()

    def now(self) -> KeysInForce:
        """This, if nothing has changed since; what counts now, if something has."""
        same = self._documents is self._home.pins.documents() and self._serials == self._home.serials()
        return self if same else KeysInForce(self._home)

    def identity(self, serial: int) -> Identity:
        """This department's own keys of a serial: the current ones, or previous ones in their time of grace."""
        if serial not in self._identities:
            raise KeyNotInForce("a score request names keys of this department that it does not use")
        return self._identities[serial]

    def keys_of(self, bank: ParticipantId) -> list[PaillierPublicKey]:
        """The keys in force of a bank, newest first; none if it is not pinned here."""
        found = (paillier_key(document.paillier_modulus or 0) for document in self.known(bank, Role.BANK))
        return list(dict.fromkeys(found))

    def key(self, bank: ParticipantId, fingerprint: bytes) -> PaillierPublicKey:
        """The key of this fingerprint that one of a bank's documents in force names; raises `KeyNotInForce`."""
        for key in self.keys_of(bank):
            if key.fingerprint() == fingerprint:
                return key
        raise KeyNotInForce("a score is asked for under another key than the bank's documents name")

    def known(self, name: ParticipantId, role: Role) -> tuple[ParticipantDocument, ...]:
        """A participant's documents in force, newest first; none if it is not pinned, or of another role."""
        return tuple(one for one in self._documents.get(name, ()) if one.role is role)

    def documents(self, name: ParticipantId, role: Role) -> tuple[ParticipantDocument, ...]:
        """The same; raises `UntrustedKey` if there are none."""
        if found := self.known(name, role):
            return found
        raise UntrustedKey(
            f"no document of {name} is pinned here", advice="Pin it: compare its fingerprint by telephone first."
        )

    def document(self, name: ParticipantId, role: Role, serial: int) -> ParticipantDocument:
        """A participant's document of a serial; raises `KeyNotInForce` if it is not one of those in force."""
        for document in self.documents(name, role):
            if document.serial == serial:
                return document
        raise KeyNotInForce(f"a score request names a document of {name} that is not in force here")

    def peers(self, serials: Mapping[ParticipantId, int]) -> dict[ParticipantId, PublicIdentity]:
        """The identities of departments by the serials of their documents; this one is left out."""
        return {
            name: self.document(name, Role.DEPARTMENT, serial).identity
            for name, serial in serials.items()
            if name != self._home.participant_id
        }


class ScoredModel:
    """One model: the run that it comes from, its partials, and secrets shared with the other departments."""

    def __init__(self, home: Home, ledger: ContextLedger, version: ModelVersion) -> None:
        try:
            self._store = ModelStore(home.directory / "models", version)
            run_id = RunId(self._store.facts()["run_id"])
            self.table = partial_table(home, version)
        except PeerError:
            raise UnknownModel("there is no such model here") from None
        self.version = version
        self.run = Run(home, home.identity(), FileLedger(home.directory / "ledger"), run_id)
        self.departments = self.run.plan.department_ids
        self.banks = self.run.plan.bank_ids
        self._ledger = ledger
        self._secrets: OrderedDict[tuple[object, ...], PairwiseSecrets] = OrderedDict()
        self._keys: KeysInForce | None = None
        self._by_serials: dict[tuple[int, ...], PairwiseSecrets] = {}
        self._lock = threading.Lock()

    @property
    def is_here(self) -> bool:
        """Whether the department still has its part: the operator may have retired it, or moved it away."""
        return self._store.exists

    def require_bank(self, name: ParticipantId) -> None:
        """Raise `UntrustedKey` unless this is a bank of this model."""
        if name not in self.banks:
            raise UntrustedKey("a score is asked for by somebody who is no bank of this model")

    def secrets(self, keys: KeysInForce, statement: ScoreStatement) -> PairwiseSecrets:
        """The secrets that this department shares with the others of S, under the documents that a request names.

        Raises `KeyNotInForce` if one is not in force, and `PeerError` if this department is not in S.
        """
        key = (statement.bits, *statement.serials)
        with self._lock:
            if self._keys is not keys:  # what was found for a serial before may be another's now
                self._keys, self._by_serials = keys, {}
            if key in self._by_serials:
                return self._by_serials[key]
        serials = dict(zip(statement.departments(self.departments), statement.serials, strict=True))
        if self.run.me not in serials:
            raise PeerError("a score is asked of other departments than this one")
        found = self._agreed(keys.identity(serials[self.run.me]), keys.peers(serials))
        with self._lock:
            if self._keys is keys and len(self._by_serials) < SETS_KEPT:
                self._by_serials[key] = found
        return found

    def _agreed(self, identity: Identity, peers: Mapping[ParticipantId, PublicIdentity]) -> PairwiseSecrets:
        """The secrets that these keys share: agreed on once, also when documents around them change."""
        key = (identity.public, *peers.items())
        with self._lock:
            if key in self._secrets:
                self._secrets.move_to_end(key)
                return self._secrets[key]
        made = PairwiseSecrets(identity, self.run.me, peers, self._ledger)
        with self._lock:
            self._secrets[key] = made
            while len(self._secrets) > SETS_KEPT:
                self._secrets.popitem(last=False)
        return made


@lru_cache(maxsize=64)
def paillier_key(modulus: int) -> PaillierPublicKey:
    """The key of a modulus: that it is one is checked once."""
    return PaillierPublicKey(modulus)
