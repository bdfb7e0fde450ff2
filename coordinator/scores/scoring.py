"""The score of one enterprise at the bureau: `docs/protocols.md`, "Score of one enterprise".

    offer    which departments are up: they are the set S, fixed before any mask is made
    score    log the bank's request, relay it to each of S with the proof, check what comes back, multiply, return one
             ciphertext and the receipt

| who    | holds                  | learns                                                                            |
|--------|------------------------|-----------------------------------------------------------------------------------|
| bureau | the banks' public keys | who asks, when, by which model, which departments answer; no enterprise, no score |

The bureau cannot alter what a bank signed, nor open, mix or repeat what departments answer to any gain. It can refuse
to relay, choose who is in S, and falsify the sum.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from coordinator.errors import BadAnswer, DepartmentUnavailable, LossReason, ModelNotServed
from coordinator.scores.score_log import ShownLog, WaitedLog
from coordinator.transparency_log.score_proofs import Proven
from crypto.errors import InvalidCiphertext, MalformedMessage, PeerError, UntrustedKey
from crypto.identifiers import ModelVersion, ParticipantId
from crypto.identity import ParticipantDocument
from crypto.paillier import PaillierPublicKey
from crypto.transparency.receipt import Receipt
from models.wire.log_view import LogExtension
from models.wire.online import (
    DepartmentAnswer,
    Offer,
    OfferRequest,
    RelayedRequest,
    ScoreAnswer,
    ScoreRequest,
)
from models.wire.plan import require_enough_departments
from models.wire.reasons import SealedReasons
from models.wire.score_statement import ScoreStatement, SignedStatement, request_digest, tree_of_boxes

UnderWay = set[asyncio.Task[bytes]]
"""Requests to departments that have not ended. Each leaves when it ends."""


class DepartmentPost(Protocol):
    """Carries online requests to departments. What is in them is nobody's business there."""

    def up(self, model: ServedModel) -> Mapping[ParticipantId, int]:
        """The model's departments that answer at this moment, each with the serial of its document in use."""
        ...

    def relay(self, requests: Mapping[ParticipantId, bytes]) -> Mapping[ParticipantId, bytes]:
        """Everybody's answer; raises a `YurongError` if one does not give any."""
        ...


class AsyncDepartmentPost(Protocol):
    """A `DepartmentPost` that waits for all departments at once."""

    async def up(self, model: ServedModel) -> Mapping[ParticipantId, int]:
        """The model's departments that answer at this moment, each with the serial of its document in use."""
        ...

    async def relay(
        self, requests: Mapping[ParticipantId, bytes], under_way: UnderWay | None = None
    ) -> Mapping[ParticipantId, bytes]:
        """Everybody's answer; raises `DepartmentUnavailable` or `DepartmentRefused` as soon as one gives none.

        `under_way` is given what goes on even then.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model that scores are given by: its departments, sorted, and its banks' documents."""

    version: ModelVersion
    departments: tuple[ParticipantId, ...]
    banks: Mapping[ParticipantId, ParticipantDocument]

    @property
    def keys(self) -> Mapping[ParticipantId, PaillierPublicKey]:
        """The banks' Paillier keys by these documents."""
        return {name: paillier_key(document) for name, document in self.banks.items()}


DocumentInForce = Callable[[ParticipantId, int], ParticipantDocument]
"""A bank's pinned document of a serial; raises `UntrustedKey` if there is none in force."""


def paillier_key(document: ParticipantDocument) -> PaillierPublicKey:
    """The key that a bank's document names; checked once, which takes some milliseconds."""
    return _paillier_key(document.paillier_modulus or 0)


@lru_cache(maxsize=256)
def _paillier_key(modulus: int) -> PaillierPublicKey:
    return PaillierPublicKey(modulus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A checked request on its way: what each department of S gets, and what its answer is held to.

    digest: of the signed document. use_tag: what the log's entry is found by.
    """

    model: ServedModel
    bank: ParticipantId
    key: PaillierPublicKey
    digest: bytes
    departments: tuple[ParticipantId, ...]
    document: bytes
    use_tag: bytes
    boxes: Mapping[ParticipantId, tuple[bytes, bytes]]
    """What is sealed to each department, and its path to what the bank signed."""

    def messages(
        self, proven: Proven, extension_for: Callable[[ParticipantId, Proven], LogExtension]
    ) -> dict[ParticipantId, bytes]:
        """What each department gets: the request, its box, and what it has not seen of the log up to the request."""
        inclusion = b"".join(proven.path)
        return {
            name: RelayedRequest(
                document=self.document,
                box=box,
                path=path,
                extension=extension_for(name, proven),
                index=proven.index,
                inclusion=inclusion,
            ).encode()
            for name, (box, path) in self.boxes.items()
        }


class ScoreDesk:
    """What the bureau does with a request before it relays it and after. It keeps nothing of any.

    `document` finds what a bank's keys are now; without it they are those of the model's documents.
    """

    def __init__(self, models: Iterable[ServedModel] = (), document: DocumentInForce | None = None) -> None:
        self._models: Mapping[str, ServedModel] = {}
        self._document = document
        self.serve(models)

    def serve(self, models: Iterable[ServedModel]) -> None:
        """From now on these models, and no others."""
        self._models = {model.version: model for model in models}

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """The models that are served."""
        return tuple(self._models.values())

    def offer(self, model: ServedModel, up: Mapping[ParticipantId, int]) -> Offer:
        """The set S among who is up; raises `ProtectionUnavailable` if it is too small."""
        departments = tuple(name for name in model.departments if name in up)
        require_enough_departments(len(departments))
        return Offer(
            departments=departments,
            serials=tuple(up[name] for name in departments),
            missing=_missing(model, departments),
        )

    def prepare(self, request: ScoreRequest) -> Relay:
        """Check a request and take it apart; raises a `YurongError` if it is refused."""
        signed = SignedStatement.read(request.document)
        model = self.model(signed.claimed.model_version)
        statement, key = self._verify(signed, model)
        departments = statement.departments(model.departments)
        require_enough_departments(len(departments))
        if len(request.boxes) != len(departments):
            raise MalformedMessage("a score request has not one box for each department")
        tree = tree_of_boxes(request.boxes)
        if tree.root != statement.boxes:
            raise PeerError("a score request came with other boxes than the bank signed")
        boxes = zip(request.boxes, tree.paths, strict=True)
        return Relay(
            model=model,
            bank=statement.bank,
            key=key,
            digest=request_digest(request.document),
            departments=departments,
            document=request.document,
            use_tag=statement.use_tag,
            boxes=dict(zip(departments, boxes, strict=True)),
        )

    def combine(
        self, relay: Relay, proven: Proven, log: ShownLog, answers: Mapping[ParticipantId, bytes]
    ) -> ScoreAnswer:
        """Check what came back and multiply it; raises a `YurongError` that names whoever answered wrongly."""
        key = relay.key
        read = {name: _answer(answers[name], name, relay.digest) for name in relay.departments}
        ciphertexts = {name: _ciphertext(answer, name, key) for name, answer in read.items()}
        for name, answer in read.items():
            log.cosigned(name, proven, answer.cosignature)
        return ScoreAnswer(
            request=relay.digest,
            ciphertext=_product(key, ciphertexts).to_bytes(key.ciphertext_bytes, "big"),
            receipt=Receipt(index=proven.index, path=proven.path, note=log.note(proven)).encode(),
            reasons=_reasons(read.values()),
        )

    def model(self, version: str) -> ServedModel:
        """The model of a version; raises `ModelNotServed`."""
        if version not in self._models:
            raise ModelNotServed("no scores are given by such a model")
        return self._models[version]

    def _verify(self, signed: SignedStatement, model: ServedModel) -> tuple[ScoreStatement, PaillierPublicKey]:
        """What the bank signed. Departments check for themselves; this keeps nonsense away from them."""
        claimed = signed.claimed
        if claimed.bank not in model.banks:
            raise UntrustedKey("a score is asked for by somebody who is no bank of this model")
        document = model.banks[claimed.bank]
        if self._document is not None:
            document = self._document(claimed.bank, claimed.bank_serial)
        statement, key = signed.verify(document.identity), paillier_key(document)
        if statement.key_fingerprint != key.fingerprint():
            raise UntrustedKey("a score is asked for under another key than the bank's document names")
        return statement, key


class LocalLog(ShownLog, Protocol):
    """A log that is written to without waiting."""

    def place_now(self, document: bytes, tag: bytes) -> Proven:
        """Where a request is in the log; the same for the same bytes."""
        ...


class ScoreGateway:
    """The bureau's side for departments of this process."""

    def __init__(
        self,
        models: Iterable[ServedModel],
        carrier: DepartmentPost,
        log: LocalLog,
        document: DocumentInForce | None = None,
    ) -> None:
        self.desk = ScoreDesk(models, document)
        self._carrier, self._log = carrier, log

    def offer(self, request: OfferRequest) -> Offer:
        """The set S as it can be had now; raises `ProtectionUnavailable` if it is too small."""
        model = self.desk.model(request.model_version)
        return self.desk.offer(model, self._carrier.up(model))

    def score(self, request: ScoreRequest) -> ScoreAnswer:
        """Relay a request and add up the answers; raises a `YurongError` if any step is refused."""
        relay = self.desk.prepare(request)
        proven = self._log.place_now(relay.document, relay.use_tag)
        return self.desk.combine(
            relay, proven, self._log, self._carrier.relay(relay.messages(proven, self._log.extension_for))
        )


class AsyncScoreGateway:
    """The bureau's side for departments at the other ends of a network."""

    def __init__(
        self,
        models: Iterable[ServedModel],
        carrier: AsyncDepartmentPost,
        log: WaitedLog,
        document: DocumentInForce | None = None,
    ) -> None:
        self.desk = ScoreDesk(models, document)
        self.log = log
        self._carrier = carrier

    async def offer(self, request: OfferRequest) -> Offer:
        """The set S as it can be had now; raises `ProtectionUnavailable` if it is too small."""
        model = self.desk.model(request.model_version)
        return self.desk.offer(model, await self._carrier.up(model))

    async def score(self, request: ScoreRequest) -> ScoreAnswer:
        """Relay a request and add up the answers; raises a `YurongError` if any step is refused."""
        relay = self.desk.prepare(request)
        proven = await self.place(relay)
        return self.combine(relay, proven, await self.collect(relay, proven))

    async def place(self, relay: Relay) -> Proven:
        """Have a request in the log. It is not logged unless all of S are up: it would be a use that nobody answers."""
        up = await self._carrier.up(relay.model)
        if down := [name for name in relay.departments if name not in up]:
            raise DepartmentUnavailable(dict.fromkeys(down, LossReason.UNAVAILABLE))
        return await self.log.place(relay.document, relay.use_tag, relay.departments)

    async def collect(
        self, relay: Relay, proven: Proven, under_way: UnderWay | None = None
    ) -> Mapping[ParticipantId, bytes]:
        """All answers to a request that is in the log. `under_way`: see `AsyncDepartmentPost`."""
        return await self._carrier.relay(relay.messages(proven, self.log.extension_for), under_way)

    def combine(self, relay: Relay, proven: Proven, answers: Mapping[ParticipantId, bytes]) -> ScoreAnswer:
        """The product of all answers; raises `BadAnswer` if one is none."""
        try:
            return self.desk.combine(relay, proven, self.log, answers)
        except PeerError as fault:
            raise BadAnswer(fault.message) from fault


def _missing(model: ServedModel, departments: tuple[ParticipantId, ...]) -> tuple[ParticipantId, ...]:
    return tuple(name for name in model.departments if name not in departments)


def _answer(data: bytes, department: ParticipantId, request: bytes) -> DepartmentAnswer:
    """What one department answered this request; the error names the department."""
    try:
        answer = DepartmentAnswer.decode(data)
    except MalformedMessage:
        raise MalformedMessage(f"{department} answered with something that is no answer") from None
    if answer.request != request:
        raise PeerError(f"{department} answered another request")
    return answer


def _reasons(answers: Iterable[DepartmentAnswer]) -> tuple[tuple[SealedReasons, ...], ...]:
    """What each has sealed for whoever may open it; nothing if nobody has."""
    reasons = tuple(answer.reasons for answer in answers)
    return reasons if any(reasons) else ()


def _ciphertext(answer: DepartmentAnswer, department: ParticipantId, key: PaillierPublicKey) -> int:
    """One department's number, not checked yet; the error names the department."""
    if len(answer.ciphertext) != key.ciphertext_bytes:
        raise InvalidCiphertext(f"{department} answered with something that is no ciphertext")
    return int.from_bytes(answer.ciphertext, "big")


def _product(key: PaillierPublicKey, ciphertexts: Mapping[ParticipantId, int]) -> int:
    """The product of all, which is checked as one; if it is none, whose fault it is."""
    try:
        return key.add(ciphertexts.values())
    except InvalidCiphertext:
        for name, ciphertext in ciphertexts.items():
            try:
                key.check_ciphertext(ciphertext)
            except InvalidCiphertext:
                raise InvalidCiphertext(f"{name} answered with something that is no ciphertext") from None
        raise
