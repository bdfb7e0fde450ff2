"""Parquet files as tables, read some rows at a time: what `participants.records.text_table` is for CSV."""

from collections.abc import Collection, Iterator
from datetime import time
from typing import Final

import numpy as np
import polars as pl

from participants.records.data_file import CheckHeader, DataFile, Piece, refusal
from participants.records.faults import Fault

_VALUES_AT_ONCE: Final = 2_000_000
_ERRORS: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


def parquet_pieces(
    file: DataFile, check_header: CheckHeader = lambda _: [], *, columns: Collection[str] | None = None
) -> Iterator[Piece]:
    """Yield the rows of a Parquet file in order; texts are stripped, and those that are empty and NaN are null.

    `columns`: no others are read; `check_header` sees to it that they are there.
    `TableRefused` for a file that is damaged or not as `check_header` wants its columns. Rows are numbered as in a CSV.
    """
    frames = _frames(file, check_header, columns)
    first = 2
    while True:
        try:
            frame = next(frames, None)
        except _ERRORS as error:
            raise refusal(file.path, Fault(reason="it is a damaged or truncated Parquet file")) from error
        if frame is None:
            return
        yield Piece(frame=frame, row_numbers=np.arange(first, first + frame.height))
        first += frame.height


def _frames(file: DataFile, check_header: CheckHeader, columns: Collection[str] | None) -> Iterator[pl.DataFrame]:
    if not file.ends_as_parquet:
        raise ValueError
    table = pl.scan_parquet(file.path.absolute(), glob=False)
    schema = table.collect_schema()
    faults = check_header(list(schema))
    rows, limits = table.select(pl.len()).collect().item(), file.limits
    if len(schema) > limits.columns or rows > limits.rows:
        faults.insert(0, Fault(reason=f"more than {limits.rows} rows or {limits.columns} columns"))
    wanted = {name: kind for name, kind in schema.items() if columns is None or name in columns}
    faults = faults or [
        Fault(column=name, reason="a nested or binary type") for name, kind in wanted.items() if _odd(kind)
    ]
    if faults:
        raise refusal(file.path, *faults)
    cleaned = table.select(_cleaned(name, kind) for name, kind in wanted.items())
    yield from cleaned.collect_batches(chunk_size=max(1_000, _VALUES_AT_ONCE // len(wanted)))


def _odd(kind: pl.DataType) -> bool:
    return kind.is_nested() or isinstance(kind, pl.Binary | pl.Object | pl.Time | pl.Duration)


def _cleaned(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind.is_float():
        return column.fill_nan(None)
    if isinstance(kind, pl.Datetime):
        # A date is written as its midnight; in another time zone that is another hour, and perhaps another day.
        midnight = column.dt.time() == time(0)
        return pl.when(midnight).then(column.dt.date().cast(pl.String)).otherwise(column.cast(pl.String)).alias(name)
    if kind.is_numeric() or isinstance(kind, pl.Date | pl.Boolean):
        return column
    stripped = column.cast(pl.String).str.strip_chars()
    return pl.when(stripped != "").then(stripped).alias(name)
