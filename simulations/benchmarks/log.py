"""What the transparency log costs: `yurong bench log`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from simulations.benchmarks.large_log import measure_large_log


def measure_log(leaves: int) -> dict[str, Any]:
    """Measure a log of so many leaves: its proofs and its size (`large_log.py`)."""
    with tempfile.TemporaryDirectory(prefix="yurong-bench-") as directory:
        return measure_large_log(Path(directory) / "log", leaves)
