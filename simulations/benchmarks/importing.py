"""How long a department takes to import its records, and how much memory.

The import is all of `yurong department import`: the file is read and checked against the contract, the table stored,
the partial score of every enterprise computed and put into the database. It goes on in a process of its own, whose own
greatest memory is told (`VmHWM` of proc(5)); that of drawing the records is not in it, Python and our libraries are.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from participants.department.importer import import_data
from participants.home import Home
from simulations.benchmarks.drawn_records import drawn_contract, drawn_home, drawn_table
from simulations.errors import CommandFailed

FORMATS: Final = ("csv", "parquet")


def measure_import(enterprises: int = 1_000_000, items: int = 40, formats: tuple[str, ...] = FORMATS) -> dict[str, Any]:
    """Measure the import of a file of each format, into an empty home and then in place of what is there."""
    figures: dict[str, Any] = {"enterprises": enterprises, "items": items}
    with tempfile.TemporaryDirectory(prefix="yurong-import-") as name:
        directory, rng = Path(name), np.random.default_rng(42)
        contract = drawn_contract(items)
        table = drawn_table(contract, enterprises, rng)
        for form in formats:
            home = drawn_home(directory / f"{form}-home", contract, rng)
            file = _written(table, directory / f"records.{form}")
            figures[form] = {
                "file_bytes": file.stat().st_size,
                "first": _measured(home.directory, file),
                "again": _measured(home.directory, file),
            }
            file.unlink()
    return figures


def _written(table: pl.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        table.write_csv(path)
    else:
        table.write_parquet(path)
    return path


def _measured(home: Path, file: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", __name__, str(home), str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - ourselves
    if done.returncode:
        raise CommandFailed("import", done.returncode, (done.stderr.strip().splitlines() or [""])[-1])
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _import_here(home: Path, file: Path) -> dict[str, Any]:
    start, start_processor = time.perf_counter(), time.process_time()
    outcome = import_data(Home.open(home), file)
    return {
        "seconds": time.perf_counter() - start,
        "seconds_processor": time.process_time() - start_processor,
        **{f"seconds_{step}": seconds for step, seconds in outcome.seconds.items()},
        "maximum_resident_mib": _maximum_resident_mib(),
        "rows": outcome.rows,
        "models": outcome.models,
    }


def _maximum_resident_mib() -> float:
    """The most memory that this process had: `getrusage` would tell what its parent had, if that was more."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    print(json.dumps(_import_here(Path(sys.argv[1]), Path(sys.argv[2]))))  # noqa: T201 - to the process that asked
