"""The news of a run on the terminal."""

from __future__ import annotations

import pytest

from simulations.command.progress import PHASES, run_progress


def test_rounds_are_shown_with_objective_and_auc_and_who_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    with run_progress() as news:
        news({"phase": "training"})
        news(
            {
                "round": 3,
                "maximum_rounds": 9,
                "seconds": 1.0,
                "objective": 1234.5,
                "auc_held_out": 0.7654,
                "left_out": ["water"],
            }
        )
    shown = capsys.readouterr().err
    assert PHASES["training"] in shown
    assert "3/9  objective 1,234.5  AUC 0.7654  without water" in shown


def test_a_run_without_held_out_rows_shows_no_auc(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    with run_progress() as news:
        news({"phase": "training"})
        news({"round": 1, "maximum_rounds": 9, "seconds": 1.0, "objective": 2.0, "auc_held_out": None, "left_out": []})
    assert "AUC" not in capsys.readouterr().err
