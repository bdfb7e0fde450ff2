"""The news of a run on the terminal."""

from __future__ import annotations

import pytest

from simulations.command.progress import PHASES, run_progress

ROUND = {"round": 12, "maximum_rounds": 22, "seconds": 1.0, "objective": 1234.5, "auc_held_out": 0.7654}


def test_rounds_are_shown_with_objective_and_auc_and_who_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    with run_progress() as news:
        news({"phase": "training"})
        news(ROUND | {"left_out": ["water"]})
    shown = capsys.readouterr().err
    assert PHASES["training"] in shown
    assert "12/22  objective 1,234.5  AUC 0.7654  without water" in shown


@pytest.mark.parametrize("columns", [80, 120])
def test_nothing_is_cut_off_in_a_usual_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with run_progress() as news:
        for phase in (*PHASES, "founding the federation", "one bank asks for a score", "pooling for comparison"):
            news({"phase": phase})
            if phase == "training":
                news(ROUND | {"left_out": []})
    shown = capsys.readouterr().err
    assert "…" not in shown
    assert "12/22  objective 1,234.5  AUC 0.7654" in shown
    assert "0:00:00" in shown


def test_a_run_without_held_out_rows_shows_no_auc(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    with run_progress() as news:
        news({"phase": "training"})
        news(ROUND | {"auc_held_out": None, "left_out": []})
    assert "AUC" not in capsys.readouterr().err
