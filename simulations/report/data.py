"""What the report is made of: plain values, checked for what the page claims of them.

`ReportData.from_result` takes most from the run's result (`coordinator/runs/conduct.py`); what a run cannot know of
itself, comparisons, one enterprise's points and the recorded traffic, is added by whoever plays all participants at
once. A part that is not there is left out of the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np

from crypto.identifiers import EnterpriseId, Role
from models.histogram_metrics import ScoreBand
from models.metrics import CalibrationRow, RocCurve
from models.points import PointsScale, points_that_add_up
from simulations.report.errors import ReportRefused
from simulations.report.traffic import Traffic

_SHOWN_OF_AN_ID = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How good a model is on one set of enterprises. `roc` goes from (0, 0) to (1, 1)."""

    rows: int
    defaults: int
    auc: float
    ks: float
    roc: RocCurve
    calibration: tuple[CalibrationRow, ...]
    bands: tuple[ScoreBand, ...]

    @classmethod
    def from_json(cls, metrics: Mapping[str, Any]) -> Self:
        """Read what a bank's evaluator wrote (`participants/bank/evaluator.py`)."""
        return cls(
            rows=int(metrics["rows"]),
            defaults=int(metrics["defaults"]),
            auc=float(metrics["auc"]),
            ks=float(metrics["ks"]),
            roc=roc_from_json(metrics["roc"]),
            calibration=tuple(CalibrationRow(**row) for row in metrics["calibration"]),
            bands=tuple(ScoreBand(**band) for band in metrics["score_bands"]),
        )


def roc_from_json(roc: Mapping[str, Any]) -> RocCurve:
    """Read a ROC curve from its two lists."""
    return RocCurve(
        false_positive_rate=np.asarray(roc["false_positive_rate"], dtype=np.float64),
        true_positive_rate=np.asarray(roc["true_positive_rate"], dtype=np.float64),
    )


class Setting(StrEnum):
    """Under which circumstances a model was made."""

    ALONE = "alone"  # the features of one participant, with everybody's outcomes
    FEDERATED = "federated"  # this run
    POOLED = "pooled"  # the same model, all records in one place, in the clear
    TREES = "trees"  # boosted trees on the pooled records: another kind of model


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A model that this one is held against, measured on the same held-out enterprises of all banks."""

    setting: Setting
    title: str
    auc: float
    ks: float | None = None
    roc: RocCurve | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAlone:
    """What one bank reaches with its own features and outcomes, on its own held-out borrowers.

    `federated_auc` and `federated_ks` are the federated model's on these same borrowers: figures on the borrowers of
    different banks cannot be compared.
    """

    title: str
    auc: float
    ks: float
    federated_auc: float | None = None
    federated_ks: float | None = None
    rows: int | None = None
    defaults: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A participant, its block and its cohort. Banks share one block; theirs has a spread for each bank's cohort."""

    participant_id: str
    title: str
    role: Role
    features: int
    parameters: int
    spread_points: float  # standard deviation, over its cohorts, of the points that its block gives
    rows: int | None = None  # of a bank's cohort


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecord:
    """One round of training."""

    seconds: float
    attempts: int
    objective: float
    auc_held_out: float | None
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPoints:
    """The points that one participant's records give."""

    title: str
    role: Role
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One enterprise's score as a sum. `enterprise` is an id of which most is hidden; `asked_by` the bank's title."""

    enterprise: str
    asked_by: str
    base_points: int
    parts: tuple[PartPoints, ...]
    score: int
    probability_of_default: float

    def __post_init__(self) -> None:
        if self.base_points + sum(part.points for part in self.parts) != self.score:
            raise ReportRefused("the points of an enterprise do not add up to its score")

    @classmethod
    def from_log_odds(
        cls,
        *,
        enterprise_id: EnterpriseId,
        asked_by: str,
        intercept: float,
        parts: Sequence[tuple[str, Role, float]],
        scale: PointsScale | None = None,
    ) -> Self:
        """Make points of the parts' log-odds of default, (title, role, log-odds) each; they add up exactly.

        The score is the one that a bank has of the same log-odds, rounded to whole points.
        """
        scale = scale or PointsScale()
        base = float(scale.score(np.array([intercept]))[0])
        exact = np.array([base, *(-scale.factor * log_odds for _, _, log_odds in parts)])
        points = points_that_add_up(exact)
        return cls(
            enterprise=hidden_id(enterprise_id),
            asked_by=asked_by,
            base_points=int(points[0]),
            parts=tuple(
                PartPoints(title=title, role=role, points=int(own))
                for (title, role, _), own in zip(parts, points[1:], strict=True)
            ),
            score=int(points.sum()),
            probability_of_default=float(scale.probability_of_default(np.array([exact.sum()]))[0]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything on the page. `created` is shown as it is; times are in seconds."""

    title: str
    purpose: str
    created: str
    run_id: str
    model_version: str
    holders: tuple[Holder, ...]
    rounds: tuple[RoundRecord, ...]
    seconds: Mapping[str, float]
    scores: Mapping[str, int]
    held_out: Quality | None = None
    training: Quality | None = None
    population_stability: float | None = None
    comparisons: tuple[Comparison, ...] = ()
    banks_alone: tuple[BankAlone, ...] = ()
    max_abs_log_odds_difference: float | None = None  # to the same model trained pooled in the clear
    explanation: Explanation | None = None
    traffic: Traffic | None = None

    def __post_init__(self) -> None:
        if any(comparison.setting is Setting.FEDERATED for comparison in self.comparisons):
            raise ReportRefused("the federated model's figures come from the run itself")

    @classmethod
    def from_result(
        cls,
        result: Mapping[str, Any],
        *,
        title: str,
        created: str,
        model_version: str,
        titles: Mapping[str, str],
        comparisons: Sequence[Comparison] = (),
        banks_alone: Sequence[BankAlone] = (),
        max_abs_log_odds_difference: float | None = None,
        explanation: Explanation | None = None,
        traffic: Traffic | None = None,
    ) -> Self:
        """Read a run's result; raises `ReportRefused` for one of another shape."""
        try:
            metrics = result["metrics"]
            return cls(
                title=title,
                purpose=str(result["purpose"]),
                created=created,
                run_id=str(result["run_id"]),
                model_version=model_version,
                holders=_holders(result["blocks"], result["cohorts"], titles),
                rounds=tuple(_round(record) for record in result["rounds"]),
                seconds=dict(result["seconds"]),
                scores=dict(result["scores"]),
                held_out=Quality.from_json(metrics["held_out"]) if "held_out" in metrics else None,
                training=Quality.from_json(metrics["training"]) if "training" in metrics else None,
                population_stability=metrics.get("population_stability"),
                comparisons=tuple(comparisons),
                banks_alone=tuple(banks_alone),
                max_abs_log_odds_difference=max_abs_log_odds_difference,
                explanation=explanation,
                traffic=traffic,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ReportRefused(f"this is not the result of a run: {type(error).__name__}") from error

    def having(self, role: Role) -> tuple[Holder, ...]:
        """The participants of one role."""
        return tuple(holder for holder in self.holders if holder.role is role)

    def best(self, setting: Setting) -> Comparison | None:
        """The comparison of one setting with the highest AUC."""
        return max((one for one in self.comparisons if one.setting == setting), key=lambda one: one.auc, default=None)


def hidden_id(enterprise_id: str) -> str:
    """An enterprise id of which only the first two characters, its kind, and the last two can be read."""
    hidden = len(enterprise_id) - 2 * _SHOWN_OF_AN_ID
    if hidden < 2 * _SHOWN_OF_AN_ID:
        raise ReportRefused("a short enterprise id cannot be hidden in part")
    return f"{enterprise_id[:_SHOWN_OF_AN_ID]}…{enterprise_id[-_SHOWN_OF_AN_ID:]}"


def _holders(blocks: Mapping[str, Any], cohorts: Mapping[str, int], titles: Mapping[str, str]) -> tuple[Holder, ...]:
    holders = [
        Holder(
            participant_id=name,
            title=titles.get(name, name),
            role=Role.BANK if name in cohorts else Role.DEPARTMENT,
            features=int(block["features"]),
            parameters=int(block["parameters"]),
            spread_points=float(block["spread_points"]),
            rows=cohorts.get(name),
        )
        for name, block in blocks.items()
    ]
    return tuple(sorted(holders, key=lambda holder: (holder.role is Role.BANK, holder.participant_id)))


def _round(record: Mapping[str, Any]) -> RoundRecord:
    return RoundRecord(
        seconds=float(record["seconds"]),
        attempts=int(record["attempts"]),
        objective=float(record["objective"]),
        auc_held_out=None if record["auc_held_out"] is None else float(record["auc_held_out"]),
        left_out=tuple(record["left_out"]),
    )
