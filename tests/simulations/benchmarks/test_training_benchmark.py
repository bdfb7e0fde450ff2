"""The figures of training on a federation small enough to be sure of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from simulations.benchmarks.training import measure_training
from simulations.small_federation import SETTINGS, SmallFederation


def test_enough_rounds_reach_the_pooled_optimum(tmp_path: Path) -> None:
    shape, settings = SmallFederation(borrowers_per_bank=1100), replace(SETTINGS, maximum_rounds=9)
    figures = measure_training(shape.make(), settings, tmp_path)
    assert figures["rounds"] == 9
    assert figures["rounds_to_1e-4"] <= 6
    assert figures["objective"]["federated"] == pytest.approx(figures["objective"]["optimum"], rel=1e-6)
    assert figures["max_abs_log_odds_difference"] < 1e-3
    assert figures["auc"]["federated"] == pytest.approx(figures["auc"]["pooled_same_model"], abs=5e-5)
    assert figures["auc"]["federated"] > figures["auc"]["best_single"]
    assert figures["rows"] == 2 * 1210
    assert figures["training_rows"] + figures["held_out_rows"] == 2 * 1100
    assert figures["largest_block"] <= settings.parameter_limit
    assert {"alignment", "binning", "training", "evaluation"} == set(figures["seconds"])
    assert figures["bytes_through_coordinator"] > 1_000_000
