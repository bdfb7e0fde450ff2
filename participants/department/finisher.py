"""The end of a run at a department: its block is saved, its evidence kept, and its partial scores computed.

A partial is the block's log-odds for one enterprise in fixed point. All are computed now, so that scoring is a look-up,
and with them what each enterprise loses by reason family; an enterprise without a record has those of a record without
values.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto.errors import PeerError
from crypto.identifiers import ModelVersion, ParticipantId
from models.additive import BinnedBlock
from models.block_file import AnyBlock, block_from_bytes, block_to_bytes, fingerprint
from models.evidence import defaults_from_gradient, information_value, weight_of_evidence
from models.points import PointsScale
from models.reasons.lost import LostByFamily
from models.scorecard import BlockScorecard
from models.wire.outcome import MEAN_DECIMALS, SPREAD_DECIMALS, ActivateRequest, BlockReport, FinishRequest
from models.wire.setup import Done
from models.wire.training import Coefficients
from participants.clock import Clock, SystemClock
from participants.department.block_partials import all_partials, columns_of
from participants.department.database import open_database
from participants.department.staged_rows import adopt_partials, remove_unused_rows, stage_partials
from participants.department.store import DepartmentStore
from participants.department.trainer import DepartmentTrainer
from participants.department.unfinished_import import settle
from participants.model_store import ModelStore, check_manifest
from participants.runs.run import Run

Vector = NDArray[np.float64]


class DepartmentFinisher:
    """Ends a run."""

    def __init__(
        self, run: Run, register: DepartmentStore, trainer: DepartmentTrainer, *, clock: Clock | None = None
    ) -> None:
        self._run = run
        self._register = register
        self._trainer = trainer
        self._clock = clock or SystemClock()

    def finish(self, request: FinishRequest) -> BlockReport:
        """Save the block with its final parameters; say how large it is, how it moves scores, and for what reasons."""
        block = self._trainer.block
        block.set_weights(self._trainer.hear_last_coefficients(request.coefficients, request.turn))
        data = block_to_bytes(block)
        self._run.store.write_bytes("final-block", data)
        log_odds = np.concatenate([self._log_odds(block, bank) for bank in self._run.plan.bank_ids])
        return BlockReport(
            fingerprint=fingerprint(data),
            features=len(block.feature_names),
            parameters=block.size,
            spread_points=round(float(PointsScale().factor * log_odds.std()), SPREAD_DECIMALS),
            mean_log_odds=round(float(log_odds.mean()), MEAN_DECIMALS),
            families=LostByFamily(block, self._register.table_store.contract.reasons).codes,
        )

    def activate(self, request: ActivateRequest) -> Done:
        """Bind the block to the model's version and compute all partials. A run has one manifest.

        Each version has its own memory of the sets that enterprises were answered with. If the same block could have
        a second version, a bureau and a bank could ask again with one department less, and read its partial.
        """
        data = self._run.store.read_bytes("final-block")
        version = check_manifest(request.manifest, self._run.plan.run_id, self._run.me, fingerprint(data))
        if self._run.store.has("version") and self._run.store.read_bytes("version") != version.encode():
            raise PeerError("this run's model was activated under another manifest before")
        store = ModelStore(self._run.home.directory / "models", version)
        self._run.store.write_bytes("version", version.encode())
        block = block_from_bytes(data)
        # An import finds the model and its partials, or neither: then these are of the records that it has taken in.
        with self._register.table_store.importing(wait=True):
            # One that was stopped right after its transaction has taken in records that are not in force yet.
            settle(self._register.table_store, open_database(self._run.home))
            store.require_not_retired()
            self._keep_partials(version, block)
            store.write(
                request.manifest,
                {"run_id": self._run.plan.run_id, "evidence": self._evidence(block), "scorecard": _scorecard(block)},
                block=data,
            )
        return Done(run_id=self._run.plan.run_id)

    def _keep_partials(self, version: ModelVersion, block: AnyBlock) -> None:
        store, database, now = self._register.table_store, open_database(self._run.home), int(self._clock.now())
        current, contract = store.current(), store.contract
        parts = store.parts(current, columns_of([block], contract))
        found = all_partials({version: block}, contract, parts, now=now)
        numbers = stage_partials(database, found)
        with database.begin() as connection:
            adopt_partials(database, connection, found, numbers, now=now)
        remove_unused_rows(database)

    def _log_odds(self, block: AnyBlock, bank: ParticipantId) -> Vector:
        return block.image(self._trainer.codes(bank), block.weights_array())

    def _evidence(self, block: AnyBlock) -> list[dict[str, Any]]:
        """Weight of evidence and information value of each feature, from the first round's gradient."""
        if not isinstance(block, BinnedBlock) or not self._run.store.has("direction/0001"):
            return []
        first = Coefficients.decode(self._run.store.read_bytes("coefficients/0001"))
        gradient = self._run.store.read_arrays("direction/0001")["gradient"]
        columns = [block.columns(self._trainer.codes(bank)).sum(axis=0) for bank in self._run.plan.bank_ids]
        rows = sum(len(self._trainer.codes(bank)) for bank in self._run.plan.bank_ids)
        counts = np.sum(columns, axis=0).astype(np.float64)
        share = first.training_weight / rows
        defaults = defaults_from_gradient(gradient, counts, first.base_rate, weight_share=share)
        evidence = []
        for bins, start in zip(block.features, block.starts, strict=True):
            part = slice(int(start), int(start) + bins.count)
            evidence.append(
                {
                    "feature": bins.name,
                    "information_value": information_value(counts[part] * share, defaults[part]),
                    "bins": [bins.label(index) for index in range(bins.count)],
                    "counts": counts[part].tolist(),
                    "weight_of_evidence": weight_of_evidence(counts[part] * share, defaults[part]).tolist(),
                }
            )
        return evidence


def _scorecard(block: AnyBlock) -> list[dict[str, Any]]:
    """The whole points of each bin: what this department may state of its part of a score."""
    if not isinstance(block, BinnedBlock):
        return []
    return [asdict(line) for line in BlockScorecard.of(block, PointsScale()).attributes()]
