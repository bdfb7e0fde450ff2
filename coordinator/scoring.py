"""The score of one enterprise at the bureau: `docs/protocols.md`, "Score of one enterprise".

    offer    which departments are up: they are the set S, fixed before any mask is made
    score    relay the bank's request to each of S, check what comes back, multiply, return one ciphertext

| who    | holds                  | learns                                                                            |
|--------|------------------------|-----------------------------------------------------------------------------------|
| bureau | the banks' public keys | who asks, when, by which model, which departments answer; no enterprise, no score |

The bureau cannot alter what a bank signed, nor open, mix or repeat what departments answer to any gain. It can refuse
to relay, choose who is in S, and falsify the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from crypto.errors import InvalidCiphertext, MalformedMessage, PeerError, UntrustedKey
from crypto.identifiers import ModelVersion, ParticipantId
from crypto.identity import ParticipantDocument
from crypto.paillier import PaillierPublicKey
from models.wire.online import (
    DepartmentAnswer,
    Offer,
    OfferRequest,
    RelayedRequest,
    ScoreAnswer,
    ScoreRequest,
    ScoreStatement,
    box_digest,
    request_digest,
)
from models.wire.plan import require_enough_departments


class DepartmentPost(Protocol):
    """Carries online requests to departments. What is in them is nobody's business there."""

    def up(self, departments: tuple[ParticipantId, ...]) -> frozenset[ParticipantId]:
        """Those of `departments` that answer at this moment."""
        ...

    def relay(self, requests: Mapping[ParticipantId, bytes]) -> dict[ParticipantId, bytes]:
        """Everybody's answer; raises `ParticipantsLost` or `ParticipantRefused` if one does not give any."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model that scores are given by: its departments, sorted, and its banks' documents."""

    version: ModelVersion
    departments: tuple[ParticipantId, ...]
    banks: Mapping[ParticipantId, ParticipantDocument]
    keys: Mapping[ParticipantId, PaillierPublicKey] = field(init=False)

    def __post_init__(self) -> None:
        keys = {name: PaillierPublicKey(document.paillier_modulus or 0) for name, document in self.banks.items()}
        object.__setattr__(self, "keys", keys)


class ScoreGateway:
    """The bureau's side. It keeps nothing of a request once it is answered."""

    def __init__(self, models: Iterable[ServedModel], carrier: DepartmentPost) -> None:
        self._models = {model.version: model for model in models}
        self._carrier = carrier

    def offer(self, request: OfferRequest) -> Offer:
        """The set S as it can be had now; raises `ProtectionUnavailable` if it is too small."""
        model = self._model(request.model_version)
        up = self._carrier.up(model.departments)
        departments = tuple(name for name in model.departments if name in up)
        require_enough_departments(len(departments))
        return Offer(departments=departments, missing=self._missing(model, departments))

    def score(self, request: ScoreRequest) -> ScoreAnswer:
        """Relay a request and add up the answers; raises a `YurongError` if any step is refused."""
        model = self._model(request.model_version)
        departments = self._check(request, model)
        digests = tuple(box_digest(box.payload) for box in request.boxes)
        relayed = {
            ParticipantId(box.participant): RelayedRequest(
                bank=request.bank,
                model_version=request.model_version,
                document=request.document,
                box=box.payload,
                digests=digests,
            ).encode()
            for box in request.boxes
        }
        digest = request_digest(request.document)
        answers = self._carrier.relay(relayed)
        key = model.keys[ParticipantId(request.bank)]
        ciphertexts = [_ciphertext(answers[name], name, digest, key) for name in departments]
        return ScoreAnswer(
            request=digest,
            departments=departments,
            missing=self._missing(model, departments),
            ciphertext=key.encode_ciphertext(key.add(ciphertexts)),
        )

    def _model(self, version: str) -> ServedModel:
        if version not in self._models:
            raise PeerError("no scores are given by such a model")
        return self._models[ModelVersion(version)]

    @staticmethod
    def _check(request: ScoreRequest, model: ServedModel) -> tuple[ParticipantId, ...]:
        """S, if the bank signed it. Departments check for themselves; this keeps nonsense away from them."""
        bank = ParticipantId(request.bank)
        if bank not in model.banks:
            raise UntrustedKey("a score is asked for by somebody who is no bank of this model")
        departments = ScoreStatement.verify(request.document, model.banks[bank].identity).departments
        require_enough_departments(len(departments))
        if not set(departments) <= set(model.departments):
            raise PeerError("a score is asked of departments that are not this model's")
        if tuple(box.participant for box in request.boxes) != departments:
            raise MalformedMessage("a score request has not one box for each department")
        return departments

    @staticmethod
    def _missing(model: ServedModel, departments: tuple[ParticipantId, ...]) -> tuple[ParticipantId, ...]:
        return tuple(name for name in model.departments if name not in departments)


def _ciphertext(data: bytes, department: ParticipantId, request: bytes, key: PaillierPublicKey) -> int:
    """One department's ciphertext, checked; the error names the department."""
    answer = DepartmentAnswer.decode(data)
    if answer.department != department or answer.request != request:
        raise PeerError(f"{department} answered another request")
    try:
        return key.decode_ciphertext(answer.ciphertext)
    except InvalidCiphertext:
        raise InvalidCiphertext(f"{department} answered with something that is no ciphertext") from None
