"""The score of one enterprise at a bank: `docs/protocols.md`, "Score of one enterprise".

| who    | holds                                | learns                                                        |
|--------|--------------------------------------|---------------------------------------------------------------|
| bank   | the Paillier key, its own block      | the score: the sum over S, its own part and the missing means |
| others | see `participants/department/scorer.py` and `coordinator/scores/scoring.py`                                 |

    use = consents.use(enterprise_id, purpose, request_id, now=now)
    asked = client.request(use, offer, request_id)   `asked.request` goes to the bureau, again and again if need be
    score = client.open(asked, answer)

An `OpenRequest` is all that is needed to open the answer, in this process or a later one. It names the enterprise, so
it is kept in the bank's own database and nowhere else; who keeps it drops it when its score is kept.

A malicious bureau can add a number to the sum, which nobody notices unless it makes the sum absurd. A malicious
department can do the same.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from crypto.errors import PeerError, ProtocolStateError, UntrustedKey
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId, Role, RunId
from crypto.identity import ParticipantDocument
from crypto.labels import Label
from crypto.paillier import BankPaillierKey
from crypto.sealed import seal
from models.points import PointsScale
from models.reasons.principal import PrincipalReason, families_of_blocks, principal_reasons
from models.wire.codec import Name, WireMessage
from models.wire.online import Offer, ScoreAnswer, ScoreRequest
from models.wire.plan import require_enough_departments
from models.wire.reasons import Opener
from models.wire.score_statement import (
    MAXIMUM_LIFETIME_SECONDS,
    Question,
    ScoreStatement,
    SignedStatement,
    bits_of,
    box_context,
    request_digest,
    tree_of_boxes,
)
from models.wire.scoring import PARTIAL_FRACTION_BITS
from participants.bank.book import BankBook
from participants.bank.consents import ConsentUse
from participants.bank.reasons import boxes_for_enterprise, open_reasons
from participants.bank.receipts import ScoreEvidence, check_receipt
from participants.bank.scores import OwnPart
from participants.clock import Clock
from participants.home import Home
from participants.model_store import ModelStore
from participants.runs.ledger import FileLedger
from participants.runs.run import Run

LIFETIME_SECONDS: Final = 60
_WORD_BITS: Final = 64
_SUM_BITS: Final = 33
"""A sum of partials fits in so many bits, sign included, online as in a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a bank knows at the end. `missing`: departments that were down, for which the mean of their block stands.

    points: whole points, higher is better. log_odds_default: natural logarithm. scored_at: when this bank opened it,
    seconds since 1970.
    """

    request_id: RequestId
    model_version: ModelVersion
    enterprise_id: EnterpriseId
    points: int
    probability_of_default: float
    log_odds_default: float
    departments: tuple[ParticipantId, ...]
    missing: tuple[ParticipantId, ...]
    scored_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreParts:
    """A score taken apart: log-odds that sum to its own.

    own: of the block that banks share. departments: the sum over those that answered; no smaller part of it is known.
    missing: the mean that stands for each department that was down.
    """

    intercept: float
    own: float
    departments: float
    missing: dict[ParticipantId, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest(WireMessage):
    """A request that was made and not answered yet: all that it takes to send it again, and to open its answer.

    It is kept (`encode`, `decode`, or its three fields) and never sent as a whole: `request` is, the same bytes each
    time.
    """

    MAXIMUM_BYTES: ClassVar[int] = 1 << 17
    enterprise_id: Name
    request: ScoreRequest
    offer: Offer

    @property
    def statement(self) -> ScoreStatement:
        """What this bank signed."""
        return SignedStatement.read(self.request.document).claimed

    @property
    def digest(self) -> bytes:
        """The SHA-256 that its answer names."""
        return request_digest(self.request.document)

    def __repr__(self) -> str:
        """Say which request it is, not about whom."""
        return f"OpenRequest({self.statement.request_id})"


class ScoreClient:
    """One bank asking for scores by one model. It keeps nothing of a request, and follows pins and keys as they change.

    Any number of threads may use it at once.
    """

    def __init__(self, home: Home, version: ModelVersion, *, clock: Clock) -> None:
        if home.role is not Role.BANK:
            raise ProtocolStateError("only a bank asks for scores")
        model = ModelStore(home.directory / "models", version)
        run_id = RunId(model.facts()["run_id"])
        self._run = Run(home, home.identity(), FileLedger(home.directory / "ledger"), run_id)
        self._home = home
        self._version = version
        self._own = OwnPart(model)
        manifest = model.manifest()
        self._means = {
            department: float(manifest["blocks"][department]["mean_log_odds"])
            for department in self._run.plan.department_ids
        }
        self._families = families_of_blocks(manifest)
        self._book = BankBook(home.directory / "data")
        self._clock = clock
        self._keys: dict[bytes, BankPaillierKey] = {}
        self._serials: tuple[int, ...] = ()

    @property
    def version(self) -> ModelVersion:
        """The model that scores are asked by."""
        return self._version

    def request(self, use: ConsentUse, offer: Offer, request_id: RequestId) -> OpenRequest:
        """A signed request under a consent, to those departments of the offer that the consent names.

        Raises `PeerError` for an offer that is not of this model's departments, `UntrustedKey` if it names a document
        that is not pinned here and in force, `ProtectionUnavailable` if the departments are too few.
        """
        self._check(offer)
        offer = _within(offer, use.consent.providers)
        documents = self._documents(offer)
        enterprise_id = use.consent.enterprise_id
        question = Question(enterprise_id=enterprise_id, consent=use.digest, use=use.number).encode()
        boxes = tuple(self._seal(question, request_id, document) for document in documents)
        serial, key = self._current_key()
        statement = ScoreStatement(
            request_id=request_id,
            bank=self._run.me,
            bank_serial=serial,
            model_version=self._version,
            key_fingerprint=key.public.fingerprint(),
            expires_at=int(self._clock.now()) + min(LIFETIME_SECONDS, MAXIMUM_LIFETIME_SECONDS),
            bits=bits_of((document.participant_id for document in documents), self._run.plan.department_ids),
            serials=offer.serials,
            boxes=tree_of_boxes(boxes).root,
            purpose=use.consent.purpose,
            computation=use.consent.computation,
            use_tag=use.tag,
            follows=use.follows,
        )
        document = statement.sign(self._home.identities()[serial])
        request = ScoreRequest(document=document, boxes=boxes)
        return OpenRequest(enterprise_id=enterprise_id, request=request, offer=offer)

    def open(self, asked: OpenRequest, answer: ScoreAnswer) -> Score:
        """The score in an answer; raises `PeerError` for an answer that is not one to this request.

        If the answer is refused another may still come.
        """
        statement = asked.statement
        if statement.model_version != self._version:
            raise ProtocolStateError("a request by another model is opened with that model")
        if answer.request != asked.digest:
            raise PeerError("a score came that was not asked for")
        enterprise_id = EnterpriseId(asked.enterprise_id)
        departments = tuple(ParticipantId(name) for name in asked.offer.departments)
        missing = tuple(ParticipantId(name) for name in asked.offer.missing)
        total = self._decrypt(answer.ciphertext, self._key(statement.key_fingerprint), len(departments))
        log_odds = total + self._own_log_odds(enterprise_id) + sum(self._means[name] for name in missing)
        scale, values = PointsScale(), np.array([log_odds])
        return Score(
            request_id=statement.request_id,
            model_version=self._version,
            enterprise_id=enterprise_id,
            points=int(scale.points(values)[0]),
            probability_of_default=float(scale.probability_of_default(scale.score(values))[0]),
            log_odds_default=log_odds,
            departments=departments,
            missing=missing,
            scored_at=int(self._clock.now()),
        )

    def parts(self, score: Score) -> ScoreParts:
        """Where a score comes from; exact as long as this bank's own records of the enterprise are the same."""
        own = self._own_log_odds(score.enterprise_id)
        means = {name: self._means[name] for name in score.missing}
        return ScoreParts(
            intercept=self._own.intercept,
            own=own - self._own.intercept,
            departments=score.log_odds_default - own - sum(means.values()),
            missing=means,
        )

    def contributions(self, enterprise_id: EnterpriseId) -> dict[str, float]:
        """Log-odds of each feature of this bank's own block, as its book is now; nothing if banks have no block."""
        return self._own.contributions(self._book, enterprise_id)

    def evidence(self, asked: OpenRequest, answer: ScoreAnswer) -> ScoreEvidence:
        """What came with a score: the receipt, and reasons.

        Raises `PeerError` for a receipt that is not of this request and log, and for reasons that do not open.
        """
        statement = asked.statement
        entry = statement.entry(asked.request.document).encode()
        witnesses = check_receipt(answer.receipt, entry, self._home)
        departments = tuple(ParticipantId(name) for name in asked.offer.departments)
        reasons: tuple[PrincipalReason, ...] | None = None
        if any(one.opener is Opener.BANK for sealed in answer.reasons for one in sealed):
            sealed = dict(zip(departments, answer.reasons, strict=False))
            identity = self._home.identities()[statement.bank_serial]
            lost = open_reasons(sealed, identity, request=asked.digest)
            families = {name: self._families[name] for name in departments if name in self._families}
            reasons = principal_reasons(lost, families)
        return ScoreEvidence(
            digest=asked.digest,
            request_id=statement.request_id,
            document=asked.request.document,
            receipt=answer.receipt,
            witnesses=witnesses,
            reasons=reasons,
            for_enterprise=boxes_for_enterprise(asked.digest, departments, answer.reasons),
        )

    def _check(self, offer: Offer) -> None:
        """Raise unless an offer is of this model's departments."""
        require_enough_departments(len(offer.departments))
        for names in (offer.departments, offer.missing):
            if list(names) != sorted(set(names)):
                raise PeerError("an offer does not list departments in order, each once")
        if tuple(sorted((*offer.departments, *offer.missing))) != self._run.plan.departments:
            raise PeerError("an offer is not of this model's departments")
        if len(offer.serials) != len(offer.departments):
            raise PeerError("an offer does not name one document of each department")

    def _documents(self, offer: Offer) -> list[ParticipantDocument]:
        """The pinned documents of S, in its order."""
        require_enough_departments(len(offer.departments))
        documents = [
            self._home.pins.document(ParticipantId(name), serial)
            for name, serial in zip(offer.departments, offer.serials, strict=True)
        ]
        if any(document.role is not Role.DEPARTMENT for document in documents):
            raise UntrustedKey("a department of this model is pinned here as something else")
        return documents

    def _seal(self, question: bytes, request_id: RequestId, document: ParticipantDocument) -> bytes:
        context = box_context(request_id, self._run.me, self._version, document.participant_id)
        return seal(document.identity, question, label=Label.SEALED_REQUEST, context=context)

    def _current_key(self) -> tuple[int, BankPaillierKey]:
        """The serial of this bank's document, and the key that it names."""
        serials = self._home.serials()
        if serials != self._serials:
            self._keys, self._serials = self._home.paillier_keys(), serials
        return serials[0], next(iter(self._keys.values()))

    def _key(self, fingerprint: bytes) -> BankPaillierKey:
        self._current_key()
        if fingerprint not in self._keys:
            raise ProtocolStateError(
                "a request was made under a key that this bank has no longer", advice="Ask again under the current one."
            )
        return self._keys[fingerprint]

    def _own_log_odds(self, enterprise_id: EnterpriseId) -> float:
        """The intercept and this bank's own part."""
        return float(self._own.log_odds(self._book, [enterprise_id])[0])

    @staticmethod
    def _decrypt(answer: bytes, key: BankPaillierKey, departments: int) -> float:
        """The sum of partials as log-odds. The ciphertext is checked before the key touches it."""
        ciphertext = key.public.decode_ciphertext(answer)
        plaintext = key.decrypt_below(ciphertext, departments << _WORD_BITS)
        word = plaintext % (1 << _WORD_BITS)
        signed = word - (1 << _WORD_BITS) if word >> (_WORD_BITS - 1) else word
        if abs(signed) >> (_SUM_BITS - 1):
            raise PeerError(
                "the masks of a score did not cancel",
                advice="The departments did not all answer the same request; ask again.",
            )
        return signed * 2.0**-PARTIAL_FRACTION_BITS


def _within(offer: Offer, providers: Container[str]) -> Offer:
    """What of an offer a consent names: the others are not asked, and their means stand for them."""
    chosen = [
        (name, serial) for name, serial in zip(offer.departments, offer.serials, strict=True) if name in providers
    ]
    departments = tuple(name for name, _ in chosen)
    missing = sorted({*offer.missing, *offer.departments} - set(departments))
    return Offer(departments=departments, serials=tuple(serial for _, serial in chosen), missing=tuple(missing))
