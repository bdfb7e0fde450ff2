"""The score of one enterprise at a bank: `docs/protocols.md`, "Score of one enterprise".

| who    | holds                                | learns                                                        |
|--------|--------------------------------------|---------------------------------------------------------------|
| bank   | the Paillier key, its own block      | the score: the sum over S, its own part and the missing means |
| others | see `participants/department/scorer.py` and `coordinator/scoring.py`                                 |

    client.request(enterprise_id, offer)   a signed request; it stays open until it is answered or has expired
    client.open(answer)                    the score; each request is opened once

A malicious bureau can add a number to the sum, which nobody notices unless it makes the sum absurd. A malicious
department can do the same.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

import numpy as np

from crypto.errors import PeerError, ProtocolStateError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId, Role, RunId
from crypto.labels import Label
from crypto.paillier import BankPaillierKey
from crypto.sealed import seal
from models.enterprise_id import parse_enterprise_id
from models.scorecard import PointsScale
from models.wire.online import Offer, ScoreAnswer, ScoreRequest
from models.wire.plan import require_enough_departments
from models.wire.score_statement import (
    MAXIMUM_LIFETIME_SECONDS,
    ScoreStatement,
    bits_of,
    box_context,
    request_digest,
    tree_of_boxes,
)
from models.wire.scoring import PARTIAL_FRACTION_BITS
from participants.bank.book import BankBook
from participants.bank.scores import OwnPart
from participants.clock import Clock
from participants.home import Home
from participants.ledger import FileLedger
from participants.model_store import ModelStore
from participants.run import Run

LIFETIME_SECONDS: Final = 60
_WORD_BITS: Final = 64
_SUM_BITS: Final = 33
"""A sum of partials fits in so many bits, sign included, online as in a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a bank knows at the end. `missing`: departments that were down, for which the mean of their block stands.

    points: whole points, higher is better. log_odds_default: natural logarithm.
    """

    request_id: RequestId
    model_version: ModelVersion
    enterprise_id: EnterpriseId
    points: int
    probability_of_default: float
    log_odds_default: float
    departments: tuple[ParticipantId, ...]
    missing: tuple[ParticipantId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A request that was made and not answered yet."""

    request_id: RequestId
    enterprise_id: EnterpriseId
    offer: Offer
    expires_at: int


class ScoreClient:
    """One bank asking for scores by one model. It may be used by one thread at a time."""

    def __init__(self, home: Home, key: BankPaillierKey, version: ModelVersion, *, clock: Clock) -> None:
        if home.role is not Role.BANK:
            raise ProtocolStateError("only a bank asks for scores")
        model = ModelStore(home.directory / "models", version)
        run_id = RunId(model.facts()["run_id"])
        self._run = Run(home, home.identity(), FileLedger(home.directory / "ledger"), run_id)
        if self._run.documents[self._run.me].paillier_modulus != key.public.modulus:
            raise ProtocolStateError("the key is not the one that this bank's document names")
        self._key = key
        self._version = version
        self._own = OwnPart(model)
        self._means = {
            department: float(model.manifest()["blocks"][department]["mean_log_odds"])
            for department in self._run.plan.department_ids
        }
        self._book = BankBook(home.directory / "data")
        self._clock = clock
        self._open: dict[bytes, _Open] = {}

    def request(self, enterprise_id: EnterpriseId, offer: Offer) -> ScoreRequest:
        """A signed request about `enterprise_id` to the departments that the bureau offers.

        Raises `PeerError` for an offer that is not of this model's departments, `ProtectionUnavailable` if they are
        too few.
        """
        self._check(offer)
        parse_enterprise_id(enterprise_id)
        now = self._clock.now()
        self._open = {digest: one for digest, one in self._open.items() if one.expires_at + LIFETIME_SECONDS > now}
        request_id = RequestId(secrets.token_hex(16))
        departments = [ParticipantId(name) for name in offer.departments]
        boxes = tuple(self._seal(enterprise_id, request_id, name) for name in departments)
        statement = ScoreStatement(
            request_id=request_id,
            bank=self._run.me,
            bank_serial=1,
            model_version=self._version,
            key_fingerprint=self._key.public.fingerprint(),
            expires_at=int(now) + min(LIFETIME_SECONDS, MAXIMUM_LIFETIME_SECONDS),
            bits=bits_of(departments, self._run.plan.department_ids),
            serials=offer.serials,
            boxes=tree_of_boxes(boxes).root,
        )
        document = statement.sign(self._run.identity)
        self._open[request_digest(document)] = _Open(
            request_id=request_id, enterprise_id=enterprise_id, offer=offer, expires_at=statement.expires_at
        )
        return ScoreRequest(document=document, boxes=boxes)

    def open(self, answer: ScoreAnswer) -> Score:
        """The score in an answer; raises `PeerError` for an answer that is not one to an open request.

        The request stays open if the answer is refused: another answer may still come.
        """
        asked = self._open.get(answer.request)
        if asked is None:
            raise PeerError("a score came that was not asked for, or was opened already")
        total = self._decrypt(answer, len(asked.offer.departments))
        log_odds = (
            total
            + float(self._own.log_odds(self._book, [asked.enterprise_id])[0])
            + sum(self._means[ParticipantId(name)] for name in asked.offer.missing)
        )
        del self._open[answer.request]
        scale, values = PointsScale(), np.array([log_odds])
        return Score(
            request_id=asked.request_id,
            model_version=self._version,
            enterprise_id=asked.enterprise_id,
            points=int(scale.points(values)[0]),
            probability_of_default=float(scale.probability_of_default(scale.score(values))[0]),
            log_odds_default=log_odds,
            departments=tuple(ParticipantId(name) for name in asked.offer.departments),
            missing=tuple(ParticipantId(name) for name in asked.offer.missing),
        )

    def _check(self, offer: Offer) -> None:
        require_enough_departments(len(offer.departments))
        for names in (offer.departments, offer.missing):
            if list(names) != sorted(set(names)):
                raise PeerError("an offer does not list departments in order, each once")
        if tuple(sorted((*offer.departments, *offer.missing))) != self._run.plan.departments:
            raise PeerError("an offer is not of this model's departments")
        if len(offer.serials) != len(offer.departments):
            raise PeerError("an offer does not name one document of each department")

    def _seal(self, enterprise_id: EnterpriseId, request_id: RequestId, name: ParticipantId) -> bytes:
        context = box_context(request_id, self._run.me, self._version, name)
        recipient = self._run.documents[name].identity
        return seal(recipient, enterprise_id.encode("ascii"), label=Label.SEALED_REQUEST, context=context)

    def _decrypt(self, answer: ScoreAnswer, departments: int) -> float:
        """The sum of partials as log-odds. The ciphertext is checked before the key touches it."""
        ciphertext = self._key.public.decode_ciphertext(answer.ciphertext)
        plaintext = self._key.decrypt_below(ciphertext, departments << _WORD_BITS)
        word = plaintext % (1 << _WORD_BITS)
        signed = word - (1 << _WORD_BITS) if word >> (_WORD_BITS - 1) else word
        if abs(signed) >> (_SUM_BITS - 1):
            raise PeerError(
                "the masks of a score did not cancel",
                advice="The departments did not all answer the same request; ask again.",
            )
        return signed * 2.0**-PARTIAL_FRACTION_BITS
