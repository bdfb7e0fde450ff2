"""A table of any size put in the order of its enterprises, with a few of its rows in memory at a time.

Each piece is sorted and put aside in a file. The ids, which fit in memory, say where the order is to be cut: a part of
it is the rows between two cuts of every piece, read back and sorted once more.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
from polars.io.plugins import register_io_source

from participants.records.contract import KEY_COLUMN

_VALUES_AT_ONCE: Final = 2_500_000
PART_ROWS: Final = 65_536
"""What a table is written in and read back by, unless its columns are very many."""

_ROWS_TOGETHER: Final = 8_192
"""In a piece's file: what is read to get at one row."""


class SortedTable:
    """Pieces of a table, put aside in `directory`, which is private and removed by whoever made it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: list[Path] = []
        self._ids: list[pl.Series] = []
        self._schema = pl.Schema()

    def add(self, piece: pl.DataFrame) -> None:
        """Put a piece aside; all have the same columns, one of them the enterprise id."""
        self._schema = piece.schema
        ordered = piece.sort(KEY_COLUMN)
        path = self._directory / f"piece-{len(self._files)}"
        ordered.write_parquet(path, compression="lz4", row_group_size=_ROWS_TOGETHER, statistics=False)
        self._files.append(path)
        self._ids.append(ordered[KEY_COLUMN])

    @property
    def rows(self) -> int:
        """How many were added."""
        return sum(len(ids) for ids in self._ids)

    def write(self, path: Path) -> None:
        """Write all rows in order as one Parquet file, on disk when this returns, that its owner alone can read."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            table = register_io_source(lambda *_: self._parts(), schema=self._schema, is_pure=True)
            table.sink_parquet(path, compression="lz4", row_group_size=self._rows_at_once)
            os.fsync(file.fileno())

    @property
    def _rows_at_once(self) -> int:
        return max(1_000, min(PART_ROWS, _VALUES_AT_ONCE // len(self._schema)))

    def _parts(self) -> Iterator[pl.DataFrame]:
        cuts = pl.concat(self._ids).sort().gather_every(self._rows_at_once)[1:]
        places = [[0, *ids.search_sorted(cuts).to_list(), len(ids)] for ids in self._ids]
        for part in range(len(cuts) + 1):
            slices = [
                pl.scan_parquet(path, glob=False).slice(place[part], place[part + 1] - place[part])
                for path, place in zip(self._files, places, strict=True)
                if place[part] < place[part + 1]
            ]
            yield pl.concat(slices).collect().sort(KEY_COLUMN)
