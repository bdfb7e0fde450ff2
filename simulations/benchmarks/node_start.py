"""How long a department's node takes from its start to ready, with the records and partials of a whole register."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from participants.department.database import open_database
from participants.department.partials import partial_table
from participants.department.store import DepartmentStore
from participants.home import Home
from simulations.benchmarks.drawn_records import drawn_contract, drawn_table
from simulations.drawn_model import DRAWN_AT
from simulations.local_federation.drawn import DrawnNodes, found_drawn_nodes
from simulations.local_federation.federation import serving

_ITEMS: Final = 40
_TIMES: Final = 3
_LONGEST_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 0.05


def measure_start(directory: Path, enterprises: int = 1_000_000) -> dict[str, Any]:
    """Seconds from the start of the process to the first 200 of `/readyz`, the median of a few starts."""
    founded = found_drawn_nodes(directory, departments=3, banks=1, enterprises=10)
    _fill(founded, enterprises)
    seconds = [_started(founded, directory) for _ in range(_TIMES)]
    return {"startup_seconds": float(np.median(seconds)), "startup": {"enterprises": enterprises, "seconds": seconds}}


def _fill(founded: DrawnNodes, enterprises: int) -> None:
    """Put a register into the first department's home."""
    home, rng = founded.home(founded.drawn.departments[0]), np.random.default_rng(5)
    table = drawn_table(drawn_contract(_ITEMS), enterprises, rng)
    file = home.directory / "records.parquet"
    table.write_parquet(file)
    DepartmentStore.create(home.directory / "data", drawn_contract(_ITEMS)).import_file(file)
    file.unlink()
    _replace_partials(founded, home, table["enterprise_id"].to_list(), rng)


def _replace_partials(founded: DrawnNodes, home: Home, ids: list[Any], rng: np.random.Generator) -> None:
    partials = rng.integers(-(1 << 30), 1 << 30, len(ids))
    with open_database(home).begin() as connection:
        partial_table(home, founded.drawn.version).replace(connection, ids, partials, absent=0, as_of=DRAWN_AT)


def _started(founded: DrawnNodes, directory: Path) -> float:
    name = founded.drawn.departments[0]
    with serving(founded.nodes, directory) as running:
        began = time.perf_counter()
        running.start([name])
        running.wait_until_ready([name], seconds=_LONGEST_SECONDS, poll_seconds=_LOOK_SECONDS)
        return time.perf_counter() - began
