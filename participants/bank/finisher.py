"""The end of a run at a bank: the intercept and the block that banks share are kept with the model."""

from __future__ import annotations

import numpy as np

from crypto.identifiers import ModelVersion
from models.block_file import block_from_bytes, block_to_bytes, fingerprint
from models.points import PointsScale
from models.wire.outcome import SPREAD_DECIMALS, ActivateRequest, BlockReport, FinishRequest
from models.wire.setup import Done
from participants.bank.own_block import OwnBlock
from participants.bank.trainer import BankTrainer
from participants.model_store import ModelStore, check_manifest
from participants.runs.run import Run

NO_BLOCK = b""


class BankFinisher:
    """Ends a run."""

    def __init__(self, run: Run, trainer: BankTrainer) -> None:
        self._run = run
        self._trainer = trainer

    def finish(self, request: FinishRequest) -> BlockReport:
        """Keep the intercept and the shared block's final parameters."""
        self._run.check_turn(request.turn)
        coefficients = self._trainer.at_round(request.turn.round - 1).minimiser.coefficients
        own = OwnBlock(self._run)
        block, data, spread = own.block, NO_BLOCK, 0.0
        if block is not None:
            block.set_weights(own.weights(coefficients[1:]))
            data = block_to_bytes(block)
            spread = PointsScale().factor * float(np.std(own.image(block.weights_array())))
        self._run.store.write_bytes("final-block", data)
        self._run.store.write_facts("final", {"intercept": float(coefficients[0])})
        return BlockReport(
            fingerprint=fingerprint(data),
            features=0 if block is None else len(block.feature_names),
            parameters=own.size,
            spread_points=round(spread, SPREAD_DECIMALS),
            mean_log_odds=0.0,
            families=(),
        )

    def activate(self, request: ActivateRequest) -> Done:
        """Bind intercept and block to the model's version."""
        data = self._run.store.read_bytes("final-block")
        version: ModelVersion = check_manifest(request.manifest, self._run.plan.run_id, self._run.me, fingerprint(data))
        if data:
            block_from_bytes(data)
        ModelStore(self._run.home.directory / "models", version).write(
            request.manifest,
            {"run_id": self._run.plan.run_id, "intercept": self._run.store.read_facts("final")["intercept"]},
            block=data,
        )
        self._run.store.write_bytes("version", version.encode())
        return Done(run_id=self._run.plan.run_id)
