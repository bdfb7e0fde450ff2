"""Metrics that banks state are taken in if they are metrics, and refused as a bank's fault if not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from types import SimpleNamespace
from typing import Any, cast

import pytest

from coordinator.runs.checkpoint import CheckpointStore
from coordinator.runs.federation import Federation
from coordinator.runs.outcome import evaluate
from coordinator.runs.stated_metrics import read_metrics
from crypto.documents import canonical_json
from crypto.errors import PeerError
from models.wire.binning import MaskedWords
from models.wire.outcome import Conclusion
from simulations.rehearsal import FinishedRun

Spoil = Callable[[dict[str, Any]], object]

SPOILT: dict[str, Spoil] = {
    "nothing trained on": lambda metrics: metrics.pop("training"),
    "no defaults": lambda metrics: metrics["training"].pop("defaults"),
    "no area under the curve": lambda metrics: metrics["held_out"].pop("auc"),
    "no rows": lambda metrics: metrics["training"].update(rows=0, defaults=0),
    "more defaults than rows": lambda metrics: metrics["training"].update(rows=1, defaults=2),
    "a share of 2": lambda metrics: metrics["held_out"].update(auc=2),
    "a word for a number": lambda metrics: metrics["held_out"].update(ks="high"),
    "a table that is none": lambda metrics: metrics["held_out"].update(calibration=7),
    "a field more": lambda metrics: metrics.update(more=1),
}


def bureau_that_hears(metrics: Mapping[str, Any], finished: FinishedRun) -> Federation:
    """A federation whose banks all conclude the same."""

    def ask(_step: object, requests: Mapping[str, object], _reply: object) -> dict[str, MaskedWords]:
        return dict.fromkeys(requests, MaskedWords(words=bytes(8)))

    def insist(_step: object, requests: Mapping[str, object], _reply: object) -> dict[str, Conclusion]:
        return dict.fromkeys(requests, Conclusion(metrics=canonical_json(metrics)))

    return cast("Federation", SimpleNamespace(plan=finished.plan, ask=ask, insist=insist))


def test_the_metrics_of_a_run_are_taken_in(finished: FinishedRun) -> None:
    checkpoint = CheckpointStore(finished.federation.directory / "bureau" / finished.plan.run_id).load()
    metrics = finished.result["metrics"]
    assert evaluate(bureau_that_hears(metrics, finished), checkpoint) == metrics
    read = read_metrics(metrics)
    assert read.measured.auc == metrics["held_out"]["auc"]
    assert read_metrics({"training": metrics["training"]}).measured.rows == metrics["training"]["rows"]


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_no_metrics_is_refused_where_it_is_taken_in(how: str, finished: FinishedRun) -> None:
    checkpoint = CheckpointStore(finished.federation.directory / "bureau" / finished.plan.run_id).load()
    metrics = deepcopy(finished.result["metrics"])
    SPOILT[how](metrics)
    with pytest.raises(PeerError):
        evaluate(bureau_that_hears(metrics, finished), checkpoint)
