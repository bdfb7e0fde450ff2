from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.enterprise_id import make_enterprise_ids
from participants.records import sorted_table
from participants.records.sorted_table import SortedTable

RNG = np.random.default_rng(8)
TABLE = pl.DataFrame({"enterprise_id": make_enterprise_ids(RNG, 5_000), "x": RNG.normal(size=5_000)})


@pytest.mark.parametrize("table", [TABLE, TABLE.sort("enterprise_id"), TABLE.sort("enterprise_id", descending=True)])
@pytest.mark.parametrize("piece_rows", [700, 10_000])
def test_all_rows_are_written_in_order_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: pl.DataFrame, piece_rows: int
) -> None:
    monkeypatch.setattr(sorted_table, "PART_ROWS", 1_000)
    ordered = SortedTable(tmp_path)
    for piece in table.iter_slices(piece_rows):
        ordered.add(piece)
    assert [part.height for part in ordered._parts()] == [1_000] * 5
    ordered.write(tmp_path / "table")
    assert ordered.rows == 5_000
    assert pl.read_parquet(tmp_path / "table").equals(TABLE.sort("enterprise_id"))
    assert (tmp_path / "table").stat().st_mode & 0o777 == 0o600
