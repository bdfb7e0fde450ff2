"""The model card of a finished run, from the bureau's result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import asdict

from coordinator.runs.stated_metrics import read_metrics
from crypto.identifiers import ModelVersion, ParticipantId
from crypto.succession import HandOver
from models.histogram_metrics import ScoreBand
from models.metrics import CalibrationRow
from models.model_card import BlockSummary, ModelCard, QualitySummary, TrainingSummary
from models.points import PointsScale
from models.wire.plan import RunPlan

LIMITS: Final = (
    "Quality was measured on borrowers of the banks that trained it; those of other banks or later times may differ.",
    "A participant that lied about its records would not be noticed; docs/threat-model.md says what else could happen.",
)


def model_card(
    plan: RunPlan,
    result: Mapping[str, Any],
    *,
    version: ModelVersion,
    titles: Mapping[ParticipantId, str],
    created: str,
    software: Mapping[str, str],
    limits: tuple[str, ...] = LIMITS,
) -> ModelCard:
    """What may be said of the model in public."""
    metrics = read_metrics(result["metrics"])
    measured, training = metrics.measured, metrics.training
    manifest = json.loads(result["manifest"])["blocks"]
    blocks = tuple(
        BlockSummary(
            participant_id=ParticipantId(name),
            title=titles[ParticipantId(name)],
            kind=plan.block if name in plan.departments else "binned",
            features=block["features"],
            parameters=block["parameters"],
            fingerprint=manifest[name]["fingerprint"],
        )
        for name, block in sorted(result["blocks"].items())
        if block["features"]
    )
    return ModelCard(
        model_version=version,
        created=created,
        purpose=plan.purpose,
        blocks=blocks,
        banks=plan.bank_ids,
        training=TrainingSummary(
            rows=training.rows,
            held_out_rows=0 if metrics.held_out is None else metrics.held_out.rows,
            base_rate=training.defaults / training.rows,
            rounds=len(result["rounds"]),
            objective=float(result["rounds"][-1]["objective"]),
            smoothness=plan.smoothness,
            ridge=plan.ridge,
        ),
        quality=QualitySummary(
            auc=measured.auc,
            ks=measured.ks,
            gini=measured.gini,
            brier=measured.brier,
            calibration=tuple(CalibrationRow(**asdict(row)) for row in measured.calibration),
            bands=tuple(ScoreBand(**asdict(band)) for band in measured.score_bands),
        ),
        scale=PointsScale(),
        limits=limits,
        software=software,
    )


def titles_of(documents: Mapping[ParticipantId, bytes]) -> dict[ParticipantId, str]:
    """What participants call themselves in their signed documents, which others have verified against their pins."""
    return {name: HandOver(data).verify_signed_by_itself().title for name, data in documents.items()}
