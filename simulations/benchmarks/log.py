"""What the transparency log, consent and proof cost: `yurong bench log`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from simulations.benchmarks.large_log import measure_large_log
from simulations.benchmarks.proven_scores import measure_proven_scores
from simulations.benchmarks.witnessed_appends import measure_appends


def measure_log(leaves: int, departments: int) -> dict[str, Any]:
    """Measure appends and proven scores among so many departments, and a log of so many leaves."""
    figures = {"departments": departments, **measure_appends(departments), **measure_proven_scores(departments)}
    with tempfile.TemporaryDirectory(prefix="yurong-bench-") as directory:
        return {**figures, **measure_large_log(Path(directory) / "log", leaves)}
