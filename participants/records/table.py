"""A participant's data file, read against its contract: all of it is right, or a report says all that is wrong.

The file is read some megabytes at a time, so its size is no matter of memory. Each piece takes three steps: the
file becomes a table (of text, if it is CSV), its values become numbers, dates and flags (`conversion.py`), and the
typed table is checked with pandera. At the end the enterprises are compared with each other: each is there once. Every
step's faults name columns and rows and never a value.

An empty field is a missing value. In a Parquet file null and NaN are.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandera.errors
import pandera.polars as pa
import polars as pl

from models.enterprise_id import enterprise_id_fault, valid_enterprise_ids
from participants.errors import TableRefused
from participants.records.contract import KEY_COLUMN, DataContract, Item, ItemType
from participants.records.conversion import converted
from participants.records.data_file import DataFile, TableLimits, refusal
from participants.records.faults import Fault
from participants.records.parquet_table import parquet_pieces
from participants.records.text_table import text_pieces

_DUPLICATE: Final = "the enterprise is there more than once"
_INVALID_ID: Final = "not a unified social credit code"
_TYPES: Final = {
    ItemType.NUMBER: pl.Float64,
    ItemType.INTEGER: pl.Int64,
    ItemType.FLAG: pl.Boolean,
    ItemType.DATE: pl.Date,
    ItemType.CATEGORY: pl.String,
    ItemType.TEXT: pl.String,
}


def read_table(
    path: Path,
    contract: DataContract,
    *,
    required: Sequence[Item] = (),
    optional: Sequence[Item] = (),
    limits: TableLimits | None = None,
) -> pl.DataFrame:
    """Read a file whole: `table_pieces` put together."""
    return pl.concat(table_pieces(path, contract, required=required, optional=optional, limits=limits))


def table_pieces(
    path: Path,
    contract: DataContract,
    *,
    required: Sequence[Item] = (),
    optional: Sequence[Item] = (),
    limits: TableLimits | None = None,
) -> Iterator[pl.DataFrame]:
    """Read a CSV or Parquet file that holds `contract`'s items, and `required` and perhaps `optional` columns besides.

    Each piece has the key column, those columns (an absent optional one is left out), then the items in the contract's
    order: numbers Float64, integers Int64, flags Boolean, dates Date, the rest String; null is missing. `TableRefused`
    when anything is wrong; that may be found at the very end only, and then nothing of the pieces before counts.
    """
    key = Item(name=KEY_COLUMN, title="Enterprise id", type=ItemType.TEXT)
    check_header = partial(_header_faults, wanted=(key, *required, *contract.items), optional=optional)
    found, ids, row_numbers = _Findings(), [], []
    with DataFile(path, limits or TableLimits()) as file:
        pieces = parquet_pieces(file, check_header) if file.is_parquet else text_pieces(file, check_header)
        items: list[Item] = []
        for piece in pieces:
            if not items:
                columns = piece.frame.columns
                items = [item for item in (key, *required, *optional, *contract.items) if item.name in columns]
                schema = _schema(items)
            typed, faults = converted(piece, items)
            found.add(faults)
            found.add(_checked(typed, schema, piece.row_numbers))
            ids.append(typed[KEY_COLUMN])
            row_numbers.append(piece.row_numbers)
            if not found:
                yield typed
    if not ids:
        raise refusal(path, Fault(reason="it has no rows"))
    found.add(_duplicates(pl.concat(ids), np.concatenate(row_numbers)))
    if found:
        raise refusal(path, *found.faults())


class _Findings:
    """What was found wrong in all pieces: one fault for each column and reason."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str | None, str], list[npt.NDArray[np.int64]]] = {}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, faults: Sequence[Fault]) -> None:
        """Take in the faults of a piece that comes after those before."""
        for fault in faults:
            self._rows.setdefault((fault.column, fault.reason), []).append(np.array(fault.rows, dtype=np.int64))

    def faults(self) -> list[Fault]:
        """Return all of them."""
        return [
            Fault(column=column, reason=reason, rows=tuple(np.concatenate(rows).tolist()))
            for (column, reason), rows in self._rows.items()
        ]


def _header_faults(header: list[str], wanted: Sequence[Item], optional: Sequence[Item]) -> list[Fault]:
    faults = [Fault(column=item.name, reason="it is missing") for item in wanted if item.name not in header]
    known = {item.name for item in (*wanted, *optional)}
    strange = [str(position) for position, name in enumerate(header, start=1) if name not in known]
    if strange:
        shown = ", ".join(strange[:20]) + (", ..." if len(strange) > 20 else "")
        faults.append(Fault(reason=f"the contract does not know column {shown} (counted from the left)", rows=(1,)))
    return faults


def _duplicates(ids: pl.Series, row_numbers: npt.NDArray[np.int64]) -> list[Fault]:
    present = ids.drop_nulls()
    if present.n_unique() == len(present):
        return []
    again = (ids.is_duplicated() & ids.is_not_null()).to_numpy()
    return [Fault(column=KEY_COLUMN, reason=_DUPLICATE, rows=tuple(row_numbers[again].tolist()))]


def _checked(typed: pl.DataFrame, schema: pa.DataFrameSchema, row_numbers: npt.NDArray[np.int64]) -> list[Fault]:
    try:
        schema.validate(typed, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
    else:
        return []
    faults = []
    for (column, check), group in cases.group_by(["column", "check"], maintain_order=True):
        places = group["index"].drop_nulls().unique().sort().to_numpy()
        if check == _INVALID_ID:
            faults += _id_faults(typed, places, row_numbers)
            continue
        reason = {"not_nullable": "it is empty"}.get(str(check), str(check))
        faults.append(Fault(column=str(column), reason=reason, rows=tuple(row_numbers[places].tolist())))
    return faults


def _schema(items: Sequence[Item]) -> pa.DataFrameSchema:
    return pa.DataFrameSchema({item.name: _column(item) for item in items}, strict=True)


def _column(item: Item) -> pa.Column:
    if item.name == KEY_COLUMN:
        return pa.Column(pl.String, pa.Check(_ids_valid, error=_INVALID_ID), nullable=False)
    checks = []
    if item.minimum is not None:
        checks.append(pa.Check.ge(item.minimum, error=f"below {item.minimum:g}"))
    if item.maximum is not None:
        checks.append(pa.Check.le(item.maximum, error=f"above {item.maximum:g}"))
    if item.allowed:
        checks.append(pa.Check.isin(item.allowed, error="none of the contract's categories"))
    return pa.Column(_TYPES[item.type], checks, nullable=True)


def _ids_valid(data: pa.PolarsData) -> pl.LazyFrame:
    def judge(column: pl.Series) -> pl.Series:
        return pl.Series(valid_enterprise_ids(["" if text is None else text for text in column.to_list()]))

    judged = pl.col(data.key).map_batches(judge, return_dtype=pl.Boolean)
    return data.lazyframe.select(judged | pl.col(data.key).is_null())


def _id_faults(typed: pl.DataFrame, places: npt.NDArray[np.int64], row_numbers: npt.NDArray[np.int64]) -> list[Fault]:
    """Say of every wrong id which part of it is wrong, one fault a part."""
    parts: dict[str, list[int]] = {}
    for place, text in zip(places.tolist(), typed[KEY_COLUMN].gather(places).to_list(), strict=True):
        parts.setdefault(enterprise_id_fault(text) or _INVALID_ID, []).append(int(row_numbers[place]))
    return [Fault(column=KEY_COLUMN, reason=part, rows=tuple(rows)) for part, rows in parts.items()]


__all__ = ["TableLimits", "TableRefused", "read_table", "table_pieces"]
