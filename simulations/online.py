"""Online scores over founded homes, in this process and through encoded bytes.

`OnlineFederation` keeps every department's scorer, the bureau's gateway and a bank's client; `score_one` opens one,
asks one question and closes it. The recorder is shown every message that passes the bureau.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from coordinator.scores.scoring import ScoreGateway, ServedModel
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId, Role, RunId
from crypto.obfuscators import ObfuscatorPool
from crypto.paillier import PaillierPublicKey
from models.wire.codec import WireMessage
from models.wire.consent import Purpose
from models.wire.online import Offer, OfferRequest, OnlineStep, ScoreAnswer
from participants.bank.score_request import OpenRequest, Score, ScoreClient
from participants.clock import Clock, SystemClock
from participants.department.scorer import ObfuscatorSource, Scorer
from participants.home import Home
from participants.model_store import ModelStore
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.engines.local_grid import BUREAU, Recorder
from simulations.enterprise.willing import WillingConsents, WillingEnterprises
from simulations.local_log import EVIDENCE, LocalLog

_Request = TypeVar("_Request", bound=WireMessage)
_Reply = TypeVar("_Reply", bound=WireMessage)
_NewPool = Callable[[PaillierPublicKey], ObfuscatorSource]


class LocalPost:
    """Carries the gateway's requests to scorers of this process, one after the other.

    Each waits for its own disk; that they do so together, as on machines of their own, would take threads, which cost
    this process more than they save it.
    """

    def __init__(
        self, scorers: Mapping[ParticipantId, Scorer], recorder: Recorder | None, down: set[ParticipantId]
    ) -> None:
        self._scorers = scorers
        self._recorder = recorder
        self._down = down

    def up(self, model: ServedModel) -> Mapping[ParticipantId, int]:
        """The model's departments that are here and not down."""
        here = (name for name in model.departments if name in self._scorers and name not in self._down)
        return {name: self._scorers[name].serial for name in here}

    def relay(self, requests: Mapping[ParticipantId, bytes]) -> dict[ParticipantId, bytes]:
        """Everybody's answer; what a scorer raises comes out."""
        answers = {}
        for name, data in requests.items():
            self._record(BUREAU, name, data)
            answers[name] = self._scorers[name].handle(data)
            self._record(name, BUREAU, answers[name])
        return answers

    def _record(self, sender: str, receiver: str, data: bytes) -> None:
        if self._recorder is not None:
            self._recorder(sender, receiver, OnlineStep.RELAY, data, len(data))


class OnlineFederation:
    """Everybody who takes part in online scores for one bank and one model. A context manager.

    Whomever the bank asks about consents. `homes`: directory by participant. `log`: the bureau's. `down` may be changed
    between two scores. `new_pool` makes each department's obfuscators.
    """

    def __init__(
        self,
        homes: Mapping[ParticipantId, Path],
        log: LocalLog,
        bank: ParticipantId,
        version: ModelVersion,
        *,
        recorder: Recorder | None = None,
        down: Collection[ParticipantId] = (),
        clock: Clock | None = None,
        new_pool: _NewPool = ObfuscatorPool,
    ) -> None:
        self.bank = bank
        self.log = log
        self.version = version
        self.down = set(down)
        self._recorder = recorder
        time_source = clock or SystemClock()
        opened = {name: Home.open(path, clock=time_source) for name, path in homes.items()}
        self.client = ScoreClient(opened[bank], version, clock=time_source)
        model = served_model(opened[bank], version)
        self.scorers = {
            name: Scorer(opened[name], clock=time_source, evidence=EVIDENCE, new_pool=new_pool)
            for name in model.departments
            if name in opened
        }
        # The bureau pins banks as departments do.
        pinned = next(opened[name] for name in self.scorers).pins.document
        self.gateway = ScoreGateway([model], LocalPost(self.scorers, recorder, self.down), log, pinned)
        self.enterprises = WillingEnterprises(
            log,
            {name: scorer.evidence.consents for name, scorer in self.scorers.items()},
            opened[model.departments[0]],
            clock=time_source,
        )
        self.consents = WillingConsents(self.enterprises, bank)
        self._clock = time_source

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everybody."""
        for scorer in self.scorers.values():
            scorer.close()

    def prepare(self) -> None:
        """Have every department read its table and start its pools."""
        for scorer in self.scorers.values():
            scorer.prepare(self.version)

    def offer(self) -> Offer:
        """The set of departments that the bureau offers."""
        return self._call(OnlineStep.OFFER, OfferRequest(model_version=self.version), self.gateway.offer, Offer)

    def score(self, enterprise_id: EnterpriseId, offer: Offer | None = None) -> Score:
        """One score: offer (unless there is one), request, answers, opening."""
        asked = self.ask(enterprise_id, offer)
        return self.client.open(asked, self.answer(asked))

    def ask(
        self,
        enterprise_id: EnterpriseId,
        offer: Offer | None = None,
        *,
        request_id: RequestId | None = None,
        purpose: Purpose = Purpose.APPLICATION,
    ) -> OpenRequest:
        """A request of the bank, under a consent that the enterprise gives if there is none."""
        name = request_id or RequestId(secrets.token_hex(16))
        use = self.consents.use(enterprise_id, purpose, name, now=self._clock.now())
        asked = self.client.request(use, offer or self.offer(), name)
        self.consents.made(name, asked.digest)
        return asked

    def answer(self, asked: OpenRequest) -> ScoreAnswer:
        """What the bureau answers a request."""
        return self._call(OnlineStep.ASK, asked.request, self.gateway.score, ScoreAnswer)

    def _call(
        self, kind: str, request: _Request, handler: Callable[[_Request], _Reply], reply_type: type[_Reply]
    ) -> _Reply:
        """From the bank to the bureau and back, through bytes."""
        data = request.encode()
        self._record(self.bank, BUREAU, kind, data)
        reply = handler(type(request).decode(data)).encode()
        self._record(BUREAU, self.bank, kind, reply)
        return reply_type.decode(reply)

    def _record(self, sender: str, receiver: str, kind: str, data: bytes) -> None:
        if self._recorder is not None:
            self._recorder(sender, receiver, kind, data, len(data))


def score_one(
    homes: Mapping[ParticipantId, Path],
    bureau: Path,
    bank: ParticipantId,
    enterprise_id: EnterpriseId,
    model_version: ModelVersion,
    *,
    recorder: Recorder | None = None,
    down: Collection[ParticipantId] = (),
) -> Score:
    """One online score from beginning to end; departments in `down` are left out and counted with their means.

    The model is approved first, and the bank permitted to ask by it. bureau: its home.
    """
    log = LocalLog.of(bureau)
    log.approve(model_version, [bank], registrars=served_model(Home.open(homes[bank]), model_version).departments[:1])
    small_pool = partial(ObfuscatorPool, capacity=1)
    try:
        with OnlineFederation(
            homes, log, bank, model_version, recorder=recorder, down=down, new_pool=small_pool
        ) as federation:
            return federation.score(enterprise_id)
    finally:
        log.close()


def served_model(home: Home, version: ModelVersion) -> ServedModel:
    """What the bureau knows of a model, read from the public part of a participant's home."""
    run_id = RunId(ModelStore(home.directory / "models", version).facts()["run_id"])
    run = Run(home, home.identity(), FileLedger(home.directory / "ledger"), run_id)
    banks = {name: document for name, document in run.documents.items() if document.role is Role.BANK}
    return ServedModel(version=version, departments=run.plan.department_ids, banks=banks)
