"""A participant's data file, read against its contract: all of it is right, or a report says all that is wrong.

Three steps: the file becomes a table of text (CSV, or Parquet column by column), the text becomes numbers, dates and
flags, and the typed table is checked with pandera. Every step's faults name columns and rows and never a value.

What the text of an item may be:

    number      decimal notation, perhaps with an exponent: 12, -0.5, 1.2e6; no thousands separators
    integer     the same, without a fraction
    flag        1/0, true/false, yes/no, 是/否
    date        yyyy-mm-dd, from 1900 to 2199
    category    up to 200 characters; one of `allowed` where the contract lists them
    text        up to 4,000 characters

An empty field is a missing value. In a Parquet file null and NaN are.
"""

import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandera.errors
import pandera.polars as pa
import polars as pl

from models.enterprise_id import enterprise_id_fault, valid_enterprise_ids
from participants.contract import KEY_COLUMN, DataContract, Item, ItemType
from participants.errors import TableRefused
from participants.faults import Fault
from participants.text_table import TableLimits, TextTable, parse_text_table, read_bytes, refusal

_PARQUET_MAGIC: Final = b"PAR1"
_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_DATE: Final = r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$"
_TRUE: Final = ("1", "true", "yes", "是")
_FALSE: Final = ("0", "false", "no", "否")
_EXACT_INTEGERS: Final = 2.0**53
_DUPLICATE: Final = "the enterprise is there more than once"
_INVALID_ID: Final = "not a unified social credit code"
_WRONG_KIND: Final = {
    ItemType.NUMBER: "not a number",
    ItemType.INTEGER: "not a whole number",
    ItemType.FLAG: "neither yes (1) nor no (0)",
    ItemType.DATE: "not a date from 1900 to 2199 as yyyy-mm-dd",
    ItemType.CATEGORY: "longer than 200 characters",
    ItemType.TEXT: "longer than 4000 characters",
}
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
    """Read a CSV or Parquet file that holds `contract`'s items, and `required` and perhaps `optional` columns besides.

    The answer has the key column, those columns (an absent optional one is left out), then the items in the contract's
    order: numbers Float64, integers Int64, flags Boolean, dates Date, the rest String; null is missing. `TableRefused`
    when anything is wrong.
    """
    bounds = limits or TableLimits()
    key = Item(name=KEY_COLUMN, title="Enterprise id", type=ItemType.TEXT)
    wanted = (key, *required, *contract.items)
    check_header = partial(_header_faults, wanted=wanted, optional=optional)
    data = read_bytes(path, bounds)
    parse = _parse_parquet if data.startswith(_PARQUET_MAGIC) else parse_text_table
    text = parse(path, data, bounds, check_header)
    if text.frame.is_empty():
        raise refusal(path, Fault(reason="it has no rows"))
    present = [item for item in (key, *required, *optional, *contract.items) if item.name in text.frame.columns]
    typed, faults = _typed(text, present)
    faults += _checked(typed, present, text.row_numbers)
    if faults:
        raise refusal(path, *faults)
    return typed


def _header_faults(header: list[str], wanted: Sequence[Item], optional: Sequence[Item]) -> list[Fault]:
    faults = [Fault(column=item.name, reason="it is missing") for item in wanted if item.name not in header]
    known = {item.name for item in (*wanted, *optional)}
    strange = [str(position) for position, name in enumerate(header, start=1) if name not in known]
    if strange:
        shown = ", ".join(strange[:20]) + (", ..." if len(strange) > 20 else "")
        faults.append(Fault(reason=f"the contract does not know column {shown} (counted from the left)", rows=(1,)))
    return faults


def _parse_parquet(
    path: Path, data: bytes, limits: TableLimits, check_header: Callable[[list[str]], list[Fault]]
) -> TextTable:
    damaged = refusal(path, Fault(reason="it is a damaged or truncated Parquet file"))
    if not data.endswith(_PARQUET_MAGIC):
        raise damaged
    try:
        header = list(pl.read_parquet_schema(io.BytesIO(data)))
        rows = pl.scan_parquet(io.BytesIO(data)).select(pl.len()).collect().item()
        faults = check_header(header)
        if len(header) > limits.columns or rows > limits.rows:
            faults.insert(0, Fault(reason=f"more than {limits.rows} rows or {limits.columns} columns"))
        if not faults:
            frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise damaged from error
    if faults:
        raise refusal(path, *faults)
    faults = [Fault(column=name, reason="a nested or binary type") for name, kind in frame.schema.items() if _odd(kind)]
    if faults:
        raise refusal(path, *faults)
    texts = frame.select(_as_text(name, kind) for name, kind in frame.schema.items())
    return TextTable(frame=texts, row_numbers=np.arange(2, frame.height + 2))


def _odd(kind: pl.DataType) -> bool:
    return kind.is_nested() or isinstance(kind, pl.Binary | pl.Object | pl.Time | pl.Duration)


def _as_text(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind.is_float():
        return column.fill_nan(None).cast(pl.String)
    if isinstance(kind, pl.Datetime):
        return column.dt.date().cast(pl.String)
    stripped = column.cast(pl.String).str.strip_chars()
    return pl.when(stripped != "").then(stripped).alias(name)


def _typed(text: TextTable, items: Sequence[Item]) -> tuple[pl.DataFrame, list[Fault]]:
    """Turn text into the items' types; a value that cannot be turned is null and reported."""
    typed = text.frame.select(_conversion(item) for item in items)
    faults = []
    for item in items:
        lost = text.frame[item.name].is_not_null() & typed[item.name].is_null()
        if lost.any():
            rows = _numbers(text.row_numbers, lost.to_numpy())
            faults.append(Fault(column=item.name, reason=_WRONG_KIND[item.type], rows=rows))
    return typed, faults


def _conversion(item: Item) -> pl.Expr:
    column = pl.col(item.name)
    match item.type:
        case ItemType.NUMBER:
            return _number(column).alias(item.name)
        case ItemType.INTEGER:
            value = _number(column)
            whole = (value == value.floor()) & (value.abs() < _EXACT_INTEGERS)
            return pl.when(whole).then(value).cast(pl.Int64).alias(item.name)
        case ItemType.FLAG:
            word = column.str.to_lowercase()
            no = pl.when(word.is_in(_FALSE)).then(pl.lit(value=False))
            return pl.when(word.is_in(_TRUE)).then(pl.lit(value=True)).otherwise(no).alias(item.name)
        case ItemType.DATE:
            return pl.when(column.str.contains(_DATE)).then(column).str.to_date("%Y-%m-%d", strict=False)
        case ItemType.CATEGORY:
            return pl.when(column.str.len_chars() <= 200).then(column)
        case ItemType.TEXT:
            return pl.when(column.str.len_chars() <= 4000).then(column)


def _number(column: pl.Expr) -> pl.Expr:
    value = pl.when(column.str.contains(_NUMBER)).then(column).cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _numbers(row_numbers: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(row_numbers[mask].tolist())


def _checked(typed: pl.DataFrame, items: Sequence[Item], row_numbers: npt.NDArray[np.int64]) -> list[Fault]:
    try:
        _schema(items).validate(typed, lazy=True)
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
        reason = {"field_uniqueness": _DUPLICATE, "not_nullable": "it is empty"}.get(str(check), str(check))
        faults.append(Fault(column=str(column), reason=reason, rows=tuple(row_numbers[places].tolist())))
    return faults


def _schema(items: Sequence[Item]) -> pa.DataFrameSchema:
    return pa.DataFrameSchema({item.name: _column(item) for item in items}, strict=True)


def _column(item: Item) -> pa.Column:
    if item.name == KEY_COLUMN:
        return pa.Column(pl.String, pa.Check(_ids_valid, error=_INVALID_ID), unique=True, nullable=False)
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


__all__ = ["TableLimits", "TableRefused", "read_table"]
