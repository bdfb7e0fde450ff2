"""The model card: what a model is, what it was trained on, how good it is and what it is not for.

In JSON for programs, in Markdown for people (Mitchell and others, Model Cards for Model Reporting, 2019). It names
blocks and counts their parameters; it holds no weight, no bin and nothing about an enterprise.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

import msgspec

from crypto.identifiers import ModelVersion, ParticipantId
from models.errors import InvalidModelInput
from models.histogram_metrics import ScoreBand
from models.metrics import CalibrationRow
from models.points import PointsScale

CARD_VERSION: Final = 1
SHOWN_FINGERPRINT: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSummary:
    """One block: whose it is, how large, and its file's fingerprint (hex) where its holder states it, else empty."""

    participant_id: ParticipantId
    title: str
    kind: str
    features: int
    parameters: int
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSummary:
    """How the model was trained. `objective` is in natural logarithms, summed over the training rows."""

    rows: int
    held_out_rows: int
    base_rate: float
    rounds: int
    objective: float
    smoothness: float
    ridge: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySummary:
    """How good the model is on held-out enterprises of all banks together."""

    auc: float
    ks: float
    gini: float
    brier: float
    calibration: tuple[CalibrationRow, ...] = ()
    bands: tuple[ScoreBand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Everything that may be said of a model in public."""

    model_version: ModelVersion
    created: str
    purpose: str
    blocks: tuple[BlockSummary, ...]
    banks: tuple[ParticipantId, ...]
    training: TrainingSummary
    quality: QualitySummary
    scale: PointsScale
    limits: tuple[str, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    card_version: int = CARD_VERSION

    def to_json(self) -> str:
        """Return the card as JSON, keys in the order of the fields."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """Read what `to_json` wrote; raises `InvalidModelInput` for anything else."""
        try:
            card = msgspec.json.decode(text, type=cls)
            same = card.card_version == CARD_VERSION and card.to_json() == text
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise InvalidModelInput("the text is no model card") from error
        if not same:
            raise InvalidModelInput("the model card is of another version, or was changed by hand")
        return card

    def to_markdown(self) -> str:
        """Return the card for people."""
        parts = [_head(self), _blocks(self), _quality(self.quality), _points(self.scale), _limits(self)]
        return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *(line(row) for row in rows)])


def _head(card: ModelCard) -> str:
    training = card.training
    sentences = (
        f"Created {card.created}.",
        f"Trained in {training.rounds} rounds on {training.rows:,} enterprises of {len(card.banks)} banks",
        f"({training.base_rate:.1%} in default), measured on {training.held_out_rows:,} others.",
        f"Smoothness {training.smoothness:g}, ridge {training.ridge:g}, objective {training.objective:,.2f}.",
    )
    return f"# Model {card.model_version}\n\n{card.purpose}\n\n{' '.join(sentences)}"


def _blocks(card: ModelCard) -> str:
    rows = [
        (
            block.title,
            block.participant_id,
            block.kind,
            f"{block.features}",
            f"{block.parameters}",
            block.fingerprint[:SHOWN_FINGERPRINT],
        )
        for block in card.blocks
    ]
    head = ("holder", "participant", "kind", "features", "parameters", "fingerprint begins")
    return "## Blocks\n\n" + _table(head, rows)


def _quality(quality: QualitySummary) -> str:
    figures = _table(
        ("AUC", "KS", "Gini", "Brier"),
        [(f"{quality.auc:.4f}", f"{quality.ks:.4f}", f"{quality.gini:.4f}", f"{quality.brier:.4f}")],
    )
    parts = ["## Quality on held-out enterprises", figures]
    if quality.calibration:
        calibration = [
            (f"{row.enterprises:,.0f}", f"{row.mean_prediction:.2%}", f"{row.default_rate:.2%}")
            for row in quality.calibration
        ]
        parts += ["### Calibration", _table(("enterprises", "predicted", "defaulted"), calibration)]
    if quality.bands:
        bands = [
            (
                f"{band.low} to {band.high - 1}",
                f"{band.enterprises:,}",
                f"{band.default_rate:.2%}" if band.enterprises else "",
            )
            for band in quality.bands
        ]
        parts += ["### Score bands", _table(("score", "enterprises", "defaulted"), bands)]
    return "\n\n".join(parts)


def _points(scale: PointsScale) -> str:
    meaning = f"A score of {scale.base_score:g} stands for odds of {scale.base_odds_good_to_bad:g} good to 1 bad;"
    steps = f"{scale.points_to_double_odds:g} points more double the odds. Higher is better."
    return f"## Points\n\n{meaning} {steps}"


def _limits(card: ModelCard) -> str:
    limits = "\n".join(f"- {limit}" for limit in card.limits) or "- None were stated."
    software = ", ".join(f"{name} {version}" for name, version in card.software.items()) or "not stated"
    return f"## Limits\n\n{limits}\n\nSoftware: {software}."
