"""The values of a data file as what its contract says they are: numbers, dates, flags.

What the text of an item may be:

    number      decimal notation, perhaps with an exponent: 12, -0.5, 1.2e6; no thousands separators
    integer     the same, without a fraction
    flag        1/0, true/false, yes/no, 是/否
    date        yyyy-mm-dd, from 1900 to 2199
    category    up to 200 characters; one of `allowed` where the contract lists them
    text        up to 4,000 characters

A column of a Parquet file that has a type of its own is taken as it is where that gives what its text would give, and
by its text elsewhere. A timestamp is the date of which it is the midnight, in the time zone of its column; any other is
no date.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from participants.records.contract import Item, ItemType
from participants.records.data_file import Piece
from participants.records.faults import Fault

_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_DATE: Final = r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$"
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_TRUE: Final = ("1", "true", "yes", "是")
_FALSE: Final = ("0", "false", "no", "否")
_EXACT_INTEGERS: Final = 2.0**53
_WRONG_KIND: Final = {
    ItemType.NUMBER: "not a number",
    ItemType.INTEGER: "not a whole number",
    ItemType.FLAG: "neither yes (1) nor no (0)",
    ItemType.DATE: "not a date from 1900 to 2199 as yyyy-mm-dd",
    ItemType.CATEGORY: "longer than 200 characters",
    ItemType.TEXT: "longer than 4000 characters",
}


def converted(piece: Piece, items: Sequence[Item]) -> tuple[pl.DataFrame, list[Fault]]:
    """Return the items' columns in their types; a value that cannot be turned is null and reported."""
    frame = piece.frame
    typed = frame.select(_conversion(item, frame.schema[item.name]) for item in items)
    faults = []
    for item in items:
        if typed[item.name].null_count() > frame[item.name].null_count():
            lost = (frame[item.name].is_not_null() & typed[item.name].is_null()).to_numpy()
            rows = tuple(piece.row_numbers[lost].tolist())
            faults.append(Fault(column=item.name, reason=_WRONG_KIND[item.type], rows=rows))
    return typed, faults


def _conversion(item: Item, kind: pl.DataType) -> pl.Expr:
    column = pl.col(item.name)
    exact_number = kind.is_integer() or isinstance(kind, pl.Float64)  # a Float32's text is another Float64
    match item.type:
        case ItemType.NUMBER:
            return _number(column, exact=exact_number).alias(item.name)
        case ItemType.INTEGER:
            value = _number(column, exact=exact_number)
            whole = (value == value.floor()) & (value.abs() < _EXACT_INTEGERS)
            return pl.when(whole).then(value).cast(pl.Int64).alias(item.name)
        case ItemType.FLAG if isinstance(kind, pl.Boolean):
            return column
        case ItemType.DATE if isinstance(kind, pl.Date):
            return pl.when(column.dt.year().is_between(_FIRST_YEAR, _LAST_YEAR)).then(column)
    return _from_text(item, column.cast(pl.String))


def _number(column: pl.Expr, *, exact: bool) -> pl.Expr:
    text = column.cast(pl.String)
    source = column if exact else pl.when(text.str.contains(_NUMBER)).then(text)
    value = source.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def _from_text(item: Item, text: pl.Expr) -> pl.Expr:
    if item.type is ItemType.FLAG:
        word = text.str.to_lowercase()
        no = pl.when(word.is_in(_FALSE)).then(pl.lit(value=False))
        return pl.when(word.is_in(_TRUE)).then(pl.lit(value=True)).otherwise(no).alias(item.name)
    if item.type is ItemType.DATE:
        return pl.when(text.str.contains(_DATE)).then(text).str.to_date("%Y-%m-%d", strict=False)
    longest = 200 if item.type is ItemType.CATEGORY else 4000
    return pl.when(text.str.len_chars() <= longest).then(text)
