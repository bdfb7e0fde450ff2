"""CSV files as tables of text, read strictly and within limits. What the text means is `participants.table`'s.

UTF-8 (with or without a byte order mark) and GB18030 are read, the two encodings that Chinese offices' programs write.
Every row must have as many fields as the header. A blank line is no row, and still counts as a line: row numbers are
those of the file as an editor shows it, the header on row 1.
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from participants.errors import TableRefused
from participants.faults import Fault, TableReport

_BATCH_ROWS: Final = 50_000
_FAULTY_ROWS_KEPT: Final = 10_000
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WIDE_ENCODINGS: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLimits:
    """What a data file may cost before it is refused."""

    file_bytes: int = 512 << 20
    rows: int = 5_000_000
    columns: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """`frame`: every column a String, null where the field is empty; `row_numbers`: (rows,) int64, as in the file."""

    frame: pl.DataFrame
    row_numbers: npt.NDArray[np.int64]


def refusal(path: Path, *faults: Fault) -> TableRefused:
    """Return the error for a file with these faults."""
    return TableRefused(TableReport(file_name=path.name, faults=faults))


def read_bytes(path: Path, limits: TableLimits) -> bytes:
    """Read a data file whole; a missing, unreadable, empty or oversized one is a `TableRefused`."""
    try:
        if path.is_dir():
            raise refusal(path, Fault(reason="it is a directory"))
        if path.exists() and not path.is_file():
            raise refusal(path, Fault(reason="it is no regular file"))
        with path.open("rb") as file:
            data = file.read(limits.file_bytes + 1)
    except FileNotFoundError as error:
        raise refusal(path, Fault(reason="there is no such file")) from error
    except OSError as error:
        raise refusal(path, Fault(reason=f"it cannot be read ({error.strerror})")) from error
    except ValueError as error:
        raise refusal(path, Fault(reason="its name is no file's name")) from error
    if len(data) > limits.file_bytes:
        raise refusal(path, Fault(reason=f"it is longer than {limits.file_bytes} bytes"))
    if not data.strip():
        raise refusal(path, Fault(reason="it is empty"))
    return data


def parse_text_table(
    path: Path,
    data: bytes,
    limits: TableLimits,
    check_header: Callable[[list[str]], list[Fault]] = lambda _: [],
) -> TextTable:
    """Parse a CSV file's bytes; `TableRefused` lists what keeps it from being a table.

    `check_header` tells what is wrong with the columns, so that a file of another kind is refused before its rows are
    read.
    """
    lines = csv.reader(io.StringIO(_decoded(path, data), newline=""), strict=True)
    header = [name.strip() for name in _header(path, lines)]
    faults = _header_faults(header, limits) or check_header(header)
    if faults:
        raise refusal(path, *faults)
    rows = _Rows(path, lines, len(header), limits)
    chunks = [_chunk(header, batch) for batch in iter(lambda: list(islice(rows, _BATCH_ROWS)), [])]
    if rows.ragged:
        reason = f"not the header's {len(header)} fields"
        raise refusal(path, Fault(reason=reason, rows=tuple(rows.ragged)))
    frame = pl.concat(chunks) if chunks else pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    return TextTable(frame=frame, row_numbers=np.array(rows.numbers, dtype=np.int64))


def _decoded(path: Path, data: bytes) -> str:
    if data.startswith(_WIDE_ENCODINGS) or b"\x00" in data:
        raise refusal(path, Fault(reason="it is no CSV in UTF-8 or GB18030 (it is binary, or UTF-16)"))
    body = data.removeprefix(_BYTE_ORDER_MARK)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        row = body.count(b"\n", 0, error.start) + 1
    try:
        return body.decode("gb18030")
    except UnicodeDecodeError as error:
        rows = tuple(sorted({row, body.count(b"\n", 0, error.start) + 1}))
        raise refusal(path, Fault(reason="bytes that are neither UTF-8 nor GB18030", rows=rows)) from error


def _header(path: Path, lines: Iterator[list[str]]) -> list[str]:
    try:
        return next((fields for fields in lines if fields), [])
    except csv.Error as error:
        raise refusal(path, Fault(reason="the header is no line of a CSV", rows=(1,))) from error


def _header_faults(header: list[str], limits: TableLimits) -> list[Fault]:
    if len(header) > limits.columns:
        return [Fault(reason=f"more than {limits.columns} columns", rows=(1,))]
    faults = []
    nameless = [str(position) for position, name in enumerate(header, start=1) if not name]
    if nameless:
        faults.append(Fault(reason=f"no name for column {', '.join(nameless)}", rows=(1,)))
    repeated = [str(i) for i, name in enumerate(header, start=1) if name and name in header[: i - 1]]
    if repeated:
        faults.append(Fault(reason=f"the name of column {', '.join(repeated)} is there twice", rows=(1,)))
    return faults


class _Rows:
    """The rows of a CSV after its header, each with its number; those of another length are set aside."""

    def __init__(self, path: Path, lines: Iterator[list[str]], width: int, limits: TableLimits) -> None:
        self._path = path
        self._lines = lines
        self._width = width
        self._limit = limits.rows
        self._number = _line_number(lines)
        self.numbers: list[int] = []
        self.ragged: list[int] = []

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        while True:
            number = self._number + 1
            try:
                fields = next(self._lines)
            except csv.Error as error:
                raise refusal(self._path, Fault(reason="quotes that do not close or match", rows=(number,))) from error
            self._number = _line_number(self._lines)
            if len(fields) == self._width:
                break
            if fields and len(self.ragged) < _FAULTY_ROWS_KEPT:
                self.ragged.append(number)
        if len(self.numbers) >= self._limit:
            raise refusal(self._path, Fault(reason=f"more than {self._limit} rows"))
        self.numbers.append(number)
        return fields


def _line_number(lines: Iterator[list[str]]) -> int:
    number: int = lines.line_num  # type: ignore[attr-defined]  # the type of csv.reader has no public name
    return number


def _chunk(header: list[str], batch: list[list[str]]) -> pl.DataFrame:
    columns = zip(header, zip(*batch, strict=True), strict=True)
    frame = pl.DataFrame([pl.Series(name, values, dtype=pl.String) for name, values in columns])
    stripped = pl.all().str.strip_chars()
    return frame.select(pl.when(stripped != "").then(stripped).name.keep())
