"""Scores of many at a bank: whom it asks about goes out under seal, what comes back only this bank can open.

Scores are kept in `scores/<model version>-<batch>.parquet` of the home: enterprise id, score in whole points (higher is
better), probability of default and log-odds of default.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId
from crypto.labels import Label
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.parameters import ADDITION
from crypto.lattice.workers import LatticeWorkers
from models.hosting.storage.files import private_file
from models.points import PointsScale
from models.wire.envelope import post
from models.wire.plan import require_enough_departments
from models.wire.scoring import (
    PARTIAL_FRACTION_BITS,
    AskScoresReply,
    AskScoresRequest,
    EnterpriseList,
    OpenScoresReply,
    OpenScoresRequest,
)
from models.wire.steps import Step
from models.wire.training import Turn
from participants.bank.book import BankBook
from participants.bank.cohort import BankCohort
from participants.model_store import ModelStore
from participants.runs.run import Run

if TYPE_CHECKING:
    from models.additive import Block

Vector = NDArray[np.float64]


class BankScores:
    """Asks for scores of the enterprises in the book that were not trained on, and opens them."""

    def __init__(self, run: Run, book: BankBook, key: BankLatticeKey, workers: LatticeWorkers) -> None:
        self._run = run
        self._book = book
        self._cohort = BankCohort(run, book)
        self._key = key
        self._workers = workers

    def ask(self, request: AskScoresRequest) -> AskScoresReply:
        """Seal the list of enterprises to each department."""
        require_enough_departments(len(request.departments))
        ids = self._applicants()
        if not ids:
            raise PeerError("this bank has nobody to ask about")
        body = EnterpriseList(model_version=self._version(), enterprise_ids=tuple(ids)).encode()
        turn = self._turn(request.batch, request.departments)
        lists = {
            ParticipantId(department): self._run.say_sealed(
                Step.ASK_SCORES, turn, body, to=ParticipantId(department), label=Label.SEALED_REQUEST
            )
            for department in request.departments
        }
        return AskScoresReply(rows=len(ids), lists=post(lists))

    def open(self, request: OpenScoresRequest) -> OpenScoresReply:
        """Decrypt the sums, add this bank's own part, and keep the scores."""
        ids = self._applicants()
        words = self._workers.decrypt_sums(self._key, request.ciphertexts, count=len(ids))
        log_odds = signed_partials(words) + OwnPart(self._model()).log_odds(self._book, ids)
        scale = PointsScale()
        table = pl.DataFrame(
            {
                "enterprise_id": ids,
                "score": scale.points(log_odds),
                "probability_of_default": scale.probability_of_default(scale.score(log_odds)),
                "log_odds_default": log_odds,
            }
        )
        directory = self._run.home.directory / "scores"
        directory.mkdir(mode=0o700, exist_ok=True)
        written = io.BytesIO()
        table.write_parquet(written)
        private_file(directory / f"{self._version()}-{request.batch}.parquet", written.getvalue())
        return OpenScoresReply(scores=len(ids))

    def _applicants(self) -> list[EnterpriseId]:
        weights = self._cohort.weights
        return [name for name, weight in zip(self._cohort.enterprise_ids, weights, strict=True) if weight == 0]

    def _version(self) -> ModelVersion:
        return ModelVersion(self._run.store.read_bytes("version").decode())

    def _model(self) -> ModelStore:
        return ModelStore(self._run.home.directory / "models", self._version())

    def _turn(self, batch: int, departments: tuple[str, ...]) -> Turn:
        turn = Turn(
            run_id=self._run.plan.run_id, round=batch, attempt=0, departments=departments, banks=(self._run.me,)
        )
        self._run.check_turn(turn)
        return turn


def signed_partials(words: NDArray[np.uint64]) -> Vector:
    """Sums of partials `(enterprises,)` modulo 2^33 as log-odds."""
    shift = np.uint64(64 - ADDITION.plain_modulus_bits)
    signed = (words << shift).view(np.int64) >> np.int64(shift)
    return signed.astype(np.float64) * 2.0**-PARTIAL_FRACTION_BITS


def _read_block(data: bytes) -> Block:
    from models.block_file import block_from_bytes  # loads torch, which takes seconds; few banks have a block

    return block_from_bytes(data)


class OwnPart:
    """The bank's own part of a model: the intercept and the block that banks share."""

    def __init__(self, model: ModelStore) -> None:
        self.intercept = float(model.facts()["intercept"])
        data = model.block()
        self._block: Block | None = _read_block(data) if data else None

    def log_odds(self, book: BankBook, ids: list[EnterpriseId]) -> Vector:
        """Log-odds of default `(enterprises,)`; features are missing for who is not in the book."""
        if self._block is None:
            return np.full(len(ids), self.intercept)
        codes = self._block.encode(book.features(ids))
        return self.intercept + self._block.image(codes, self._block.weights_array())

    def contributions(self, book: BankBook, enterprise_id: EnterpriseId) -> dict[str, float]:
        """Log-odds of each feature of the block for one enterprise, exact; nothing if banks have no block."""
        if self._block is None:
            return {}
        parts = self._block.contributions(self._block.encode(book.features([enterprise_id])))[0]
        return dict(zip(self._block.feature_names, map(float, parts), strict=True))
