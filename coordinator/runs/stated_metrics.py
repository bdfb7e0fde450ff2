"""What banks may say of a trained model: the form that their metrics have, checked where they come in.

The bureau cannot compute them, since it never sees the counts. It can see that they are metrics at all: what is not is
refused as bad data of a bank's, while the run can still say so, and not when a model card is to be made of it.

| field                  | what                                                                             |
|------------------------|----------------------------------------------------------------------------------|
| `training`             | of the rows trained on                                                           |
| `held_out`             | of the rows held out, if there are any                                           |
| `population_stability` | between the two, if there are both                                               |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from crypto.errors import PeerError

MAXIMUM_POINTS: Final = 10_000
"""Of a curve, and rows of a table, at most."""

# A sum of shares may exceed one by what rounding adds.
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.000001)]
Many = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
Points = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31)]


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of similar predictions, as `models.metrics.CalibrationRow`."""

    enterprises: Annotated[float, msgspec.Meta(ge=0.0, le=2.0**40)]
    mean_prediction: Share
    default_rate: Share


class Band(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A band of scores, as `models.histogram_metrics.ScoreBand`."""

    low: Points
    high: Points
    enterprises: Many
    defaults: Many


class Roc(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Points of the curve."""

    false_positive_rate: Annotated[tuple[Share, ...], msgspec.Meta(max_length=MAXIMUM_POINTS)]
    true_positive_rate: Annotated[tuple[Share, ...], msgspec.Meta(max_length=MAXIMUM_POINTS)]


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How good the model is on one set of enterprises."""

    rows: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    defaults: Many
    auc: Share
    ks: Share
    gini: Annotated[float, msgspec.Meta(ge=-1.000001, le=1.000001)]
    brier: Share
    roc: Roc
    calibration: Annotated[tuple[Calibration, ...], msgspec.Meta(max_length=MAXIMUM_POINTS)]
    score_bands: Annotated[tuple[Band, ...], msgspec.Meta(max_length=MAXIMUM_POINTS)]

    def __post_init__(self) -> None:
        """More defaults than rows are no metrics; `msgspec` reports this as it does a bound."""
        if self.defaults > self.rows:
            raise ValueError("more defaults than rows")


class ModelMetrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Metrics over all banks."""

    training: Measured
    held_out: Measured | None = None
    population_stability: float | None = None

    @property
    def measured(self) -> Measured:
        """What the model is judged by: rows held out, and rows trained on where none were."""
        return self.held_out or self.training


def read_metrics(fields: Mapping[str, Any]) -> ModelMetrics:
    """The metrics that a JSON object states; raises `PeerError` for anything else."""
    try:
        return msgspec.convert(dict(fields), ModelMetrics)
    except (msgspec.ValidationError, OverflowError) as fault:
        # The library's text can quote what it read; only the kind of the fault is repeated.
        raise PeerError(f"the banks' metrics cannot be read: {type(fault).__name__}") from None
