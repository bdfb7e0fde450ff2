"""The benchmark of the log measures what it says, on a small federation."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from simulations.command.bench import bench

RUNNER = CliRunner()


def test_a_small_log_is_measured_with_every_figure_that_is_promised() -> None:
    done = RUNNER.invoke(bench, ["log", "--leaves", "3000", "--departments", "3", "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    figures = json.loads(done.stdout)
    promised = {
        "appends_per_second",
        "verify_ms",
        "added_ms_per_score",
        "inclusion_proof_ms",
        "leaves",
        "bytes_on_disk",
    }
    assert figures.keys() >= promised
    assert all(figures[name] > 0 for name in promised)
    assert (figures["leaves"], figures["departments"]) == (3000, 3)
    parts = ("added_ms_at_the_bureau", "added_ms_at_departments", "added_ms_at_the_bank")
    assert 0 < min(figures[part] for part in parts) < figures["added_ms_per_score"]
