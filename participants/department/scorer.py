"""The score of one enterprise at a department: `docs/protocols.md`, "Score of one enterprise".

    bank        signs a request; seals the enterprise id to each department of S
    department  checks the request, looks its partial up, masks it for this request, encrypts it under the bank's key
    bureau      multiplies the ciphertexts of S
    bank        opens the sum

| who             | learns                                                                                      |
|-----------------|---------------------------------------------------------------------------------------------|
| department      | which enterprise the bank asks about, and which departments answer                          |
| bureau          | that the bank asks, when, by which model, and which departments answer; no id and no score  |
| bank            | the sum over S of the partials                                                              |
| bank and bureau | the same: what one department answered opens to a uniform word                              |

The context of the masks holds the signed document and the enterprise id. Departments that were shown different
documents, or asked about different enterprises (a bank could so exchange one enterprise at a single department and
read the difference), make masks that do not cancel.

Two sums over sets that differ by one department differ by its partial: see `answered.py`. Two banks that share what
they learn can still compare sums over different sets; so can one bank over two models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol, Self

import numpy as np

from crypto.errors import MalformedMessage, PeerError, ProtocolStateError, UntrustedKey
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, Role, RunId
from crypto.identity import Identity, ParticipantDocument, check_pinned
from crypto.labels import Label
from crypto.masks import PairwiseSecrets
from crypto.obfuscators import ObfuscatorPool
from crypto.paillier import Obfuscator, PaillierPublicKey
from crypto.sealed import unseal
from models.enterprise_id import parse_enterprise_id
from models.wire.online import (
    DepartmentAnswer,
    RelayedRequest,
)
from models.wire.plan import require_enough_departments
from models.wire.score_statement import (
    MAXIMUM_LIFETIME_SECONDS,
    ScoreStatement,
    SignedStatement,
    box_context,
    request_digest,
)
from models.wire.steps import Purpose
from models.wire.training import Turn
from participants.clock import Clock
from participants.department.partials import partial_table
from participants.department.request_record import RequestRecord
from participants.home import Home
from participants.ledger import FileLedger
from participants.model_store import ModelStore
from participants.run import Run


class ObfuscatorSource(Protocol):
    """Gives obfuscators of one key, each once."""

    def take(self) -> Obfuscator:
        """An obfuscator that nobody else has."""
        ...

    def stop(self) -> None:
        """Give no more."""
        ...


class ScoredModel:
    """What a department keeps ready of one model: its run's verified documents, its partials, its pairwise secrets."""

    def __init__(self, home: Home, identity: Identity, record: RequestRecord, version: ModelVersion) -> None:
        run_id = RunId(ModelStore(home.directory / "models", version).facts()["run_id"])
        self.version = version
        self.run = Run(home, identity, FileLedger(home.directory / "ledger"), run_id)
        self.table = partial_table(home.directory / "models", version)
        peers = {name: self.run.documents[name].identity for name in self.run.plan.department_ids}
        self.secrets = PairwiseSecrets(identity, self.run.me, peers, record)
        self.bank_keys = {
            bank: PaillierPublicKey(self.run.documents[bank].paillier_modulus or 0) for bank in self.run.plan.bank_ids
        }

    def bank(self, name: ParticipantId, serial: int) -> ParticipantDocument:
        """A bank's document of this serial; raises `UntrustedKey` if it has none, or is no bank of this model."""
        if name not in self.bank_keys:
            raise UntrustedKey("a score is asked for by somebody who is no bank of this model")
        return self.document(name, serial)

    def document(self, name: ParticipantId, serial: int) -> ParticipantDocument:
        """A participant's document of this serial; raises `UntrustedKey` if there is none."""
        if serial != 1:
            raise UntrustedKey("a score request names a document that is not here")
        return self.run.documents[name]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Asked:
    """One request while it is checked. What is read from it is verified by the very reading."""

    relayed: RelayedRequest
    signed: SignedStatement
    model: ScoredModel
    record: RequestRecord
    now: float

    @property
    def bank(self) -> ParticipantId:
        """Whom the request says that it is from; `signed_by_the_pinned_bank` holds it to that."""
        return self.signed.claimed.bank

    @cached_property
    def statement(self) -> ScoreStatement:
        """What the bank signed."""
        return self.signed.verify(self.model.bank(self.bank, self.signed.claimed.bank_serial).identity)

    @cached_property
    def departments(self) -> tuple[ParticipantId, ...]:
        """The set S."""
        return self.statement.departments(self.model.run.plan.department_ids)

    @cached_property
    def digest(self) -> bytes:
        """The SHA-256 of what the bank signed."""
        return request_digest(self.relayed.document)

    @cached_property
    def enterprise_id(self) -> EnterpriseId:
        """Whom the bank asks about."""
        run = self.model.run
        context = box_context(self.statement.request_id, self.bank, self.model.version, run.me)
        plaintext = unseal(run.identity, self.relayed.box, label=Label.SEALED_REQUEST, context=context)
        try:
            return parse_enterprise_id(plaintext.decode("ascii"))
        except UnicodeDecodeError:
            raise MalformedMessage("a sealed enterprise id is no text") from None


def signed_by_the_pinned_bank(asked: Asked) -> None:
    """The bank that is named signed these very bytes, is pinned at this moment, and is a bank of this model."""
    check_pinned(
        asked.model.bank(asked.bank, asked.statement.bank_serial).identity,
        asked.model.run.home.pinned_fingerprint(asked.bank),
    )


def not_expired(asked: Asked) -> None:
    """The request is still valid, and not for longer than any may be."""
    left = asked.statement.expires_at - asked.now
    if left <= 0:
        raise PeerError("a score request has expired", advice="The bank makes a new one; compare the clocks.")
    if left > MAXIMUM_LIFETIME_SECONDS:
        raise PeerError("a score request is valid for too long", advice="Compare the bank's clock with this one.")


def under_the_bank_s_own_key(asked: Asked) -> None:
    """The bank wants its answer under the key that its verified document names."""
    if asked.statement.key_fingerprint != asked.model.bank_keys[asked.bank].fingerprint():
        raise UntrustedKey("a score is asked for under another key than the bank's document names")


def set_is_large_enough(asked: Asked) -> None:
    """S is of this model's departments, this one among them, and not below the smallest that hides anything."""
    require_enough_departments(len(asked.departments))
    asked.model.run.check_turn(turn_of(asked))


def box_is_the_signed_one(asked: Asked) -> None:
    """The sealed enterprise id is the one that the bank put in; anybody could seal another."""
    place = asked.departments.index(asked.model.run.me)
    if not asked.statement.holds_box(asked.relayed.box, place, asked.relayed.path):
        raise PeerError("a score request came with another box than the bank signed")


def enterprise_id_is_readable(asked: Asked) -> None:
    """The box opens here, for this request, and holds an enterprise id."""
    _ = asked.enterprise_id


def first_use(asked: Asked) -> None:
    """The request was never answered before."""
    asked.record.claim_request(asked.digest, now=asked.now)


def same_set_as_before(asked: Asked) -> None:
    """This enterprise was never answered to this bank, by this model, with another set."""
    asked.record.claim_set(asked.model.version, asked.bank, asked.enterprise_id, asked.departments)


CHECKS: Final[tuple[Callable[[Asked], None], ...]] = (
    signed_by_the_pinned_bank,
    not_expired,
    under_the_bank_s_own_key,
    set_is_large_enough,
    box_is_the_signed_one,
    enterprise_id_is_readable,
    # Consent of the enterprise and the proof of inclusion in the log belong here: they need who asks, about whom and
    # through which departments, and come before anything is recorded.
    first_use,
    same_set_as_before,
)
"""All that must hold before a partial is looked up, in this order. The last two are written down."""


class Scorer:
    """A department that answers score requests. It may be asked by several threads at once.

    `new_pool` makes the obfuscators of one bank's key; they are this scorer's until `close`.
    """

    def __init__(
        self,
        home: Home,
        *,
        clock: Clock,
        new_pool: Callable[[PaillierPublicKey], ObfuscatorSource] = ObfuscatorPool,
    ) -> None:
        if home.role is not Role.DEPARTMENT:
            raise ProtocolStateError("only a department answers score requests")
        self._home = home
        self._identity = home.identity()
        self._clock = clock
        self._new_pool = new_pool
        self._record = RequestRecord(home.directory / "answered.sqlite")
        self._models: dict[ModelVersion, ScoredModel] = {}
        self._pools: dict[PaillierPublicKey, ObfuscatorSource] = {}
        self._opening = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the pools and close the record."""
        with self._opening:
            for pool in self._pools.values():
                pool.stop()
            self._pools.clear()
            self._record.close()

    def prepare(self, version: ModelVersion) -> None:
        """Read what a model needs and start to fill the pools of its banks, so that the first request need not wait."""
        for key in self._model(version).bank_keys.values():
            self._pool(key)

    def handle(self, data: bytes) -> bytes:
        """Answer an encoded `RelayedRequest`; raises a `YurongError` to refuse."""
        return self.answer(RelayedRequest.decode(data)).encode()

    def answer(self, relayed: RelayedRequest) -> DepartmentAnswer:
        """Check a request, then look the partial up, mask it and encrypt it; raises a `YurongError` to refuse."""
        signed = SignedStatement.read(relayed.document)
        model = self._model(signed.claimed.model_version)
        asked = Asked(relayed=relayed, signed=signed, model=model, record=self._record, now=self._clock.now())
        with self._record.recording(expires_at=asked.statement.expires_at):
            for check in CHECKS:
                check(asked)
            word = masked_partial(asked)
        key = model.bank_keys[asked.bank]
        ciphertext = key.encrypt(word, self._pool(key).take())
        return DepartmentAnswer(request=asked.digest, ciphertext=key.encode_ciphertext(ciphertext))

    def _model(self, version: ModelVersion) -> ScoredModel:
        with self._opening:
            if version not in self._models:
                self._models[version] = ScoredModel(self._home, self._identity, self._record, version)
            return self._models[version]

    def _pool(self, key: PaillierPublicKey) -> ObfuscatorSource:
        with self._opening:
            if key not in self._pools:
                self._pools[key] = self._new_pool(key)
            return self._pools[key]


def turn_of(asked: Asked) -> Turn:
    """The turn that stands for an online request: its place in the run is the mask's direction."""
    return Turn(
        run_id=asked.model.run.plan.run_id,
        round=0,
        attempt=0,
        departments=asked.departments,
        banks=(asked.bank,),
    )


def masked_partial(asked: Asked) -> int:
    """This department's partial with its mask for this request, mod 2^64."""
    direction = f"{asked.bank}/{asked.statement.request_id}/{asked.digest.hex()}/{asked.enterprise_id}"
    model = asked.model
    context = model.run.mask_context(turn_of(asked), Purpose.ONLINE, direction, asked.departments)
    word = model.table.words((asked.enterprise_id,)) + model.secrets.zero_sum_mask(context, 1)
    return int(np.uint64(word[0]))
