"""Metrics from masked sums of counts are those of the pooled rows."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.comparison import PooledRun
from simulations.rehearsal import FinishedRun


def test_the_metrics_are_those_of_everybodys_rows(finished: FinishedRun) -> None:
    pooled = PooledRun(finished.federation, finished.plan.run_id, rounds=finished.rounds)
    metrics, quality = finished.result["metrics"], pooled.quality(pooled.federated_log_odds)
    for name, rows in (("held_out", pooled.held_out), ("training", pooled.weights > 0)):
        assert metrics[name]["rows"] == rows.sum()
        assert metrics[name]["defaults"] == pooled.labels[rows].sum()
        assert sum(band["enterprises"] for band in metrics[name]["score_bands"]) == rows.sum()
        assert sum(row["enterprises"] for row in metrics[name]["calibration"]) == rows.sum()
    # Cells of 1/128: pairs within one count as ties.
    assert metrics["held_out"]["auc"] == pytest.approx(quality.auc, abs=2e-3)
    assert metrics["held_out"]["ks"] == pytest.approx(quality.ks, abs=2e-2)
    assert metrics["held_out"]["gini"] == pytest.approx(2 * metrics["held_out"]["auc"] - 1)
    held_out = pooled.held_out
    probability = 1 / (1 + np.exp(-pooled.federated_log_odds[held_out]))
    brier = float(((probability - pooled.labels[held_out]) ** 2).mean())
    assert metrics["held_out"]["brier"] == pytest.approx(brier, abs=1e-3)
    assert finished.result["rounds"][-1]["auc_held_out"] == pytest.approx(metrics["held_out"]["auc"], abs=1e-9)
