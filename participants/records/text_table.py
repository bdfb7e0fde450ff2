"""CSV files as tables of text, read strictly, within limits and some megabytes at a time.

What the text means is `table.py`'s. UTF-8 (with or without a byte order mark) and GB18030 are read. Every row
must have as many fields as the header. A blank line is no row, and still counts as a line: row numbers are those of the
file as an editor shows it, the header on row 1.

`csv.reader` decides what a file says. Most lines need no such care and are read by `plain_rows`, a piece at once.
"""

import csv
import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from participants.records.data_file import CheckHeader, DataFile, Piece, TableLimits, refusal
from participants.records.encoding import find_encoding, skip_mark
from participants.records.faults import Fault
from participants.records.plain_rows import plain_rows

_PIECE_BYTES: Final = 8 << 20
_LINE_BYTES: Final = 64 << 20
_FAULTY_ROWS_KEPT: Final = 10_000


def read_text_table(path: Path, limits: TableLimits) -> pl.DataFrame:
    """Read a CSV file whole, every column a String, null where the field is empty."""
    with DataFile(path, limits) as file:
        frames = [piece.frame for piece in text_pieces(file)]
    if not frames:
        raise refusal(path, Fault(reason="it has no rows"))
    return pl.concat(frames)


def text_pieces(file: DataFile, check_header: CheckHeader = lambda _: []) -> Iterator[Piece]:
    """Yield the rows of a CSV file in order, every column a String; nothing if it has a header alone.

    `TableRefused` lists what keeps the file from being a table, once that is sure. `check_header` tells what is wrong
    with the columns, so that a file of another kind is refused before its rows are read.
    """
    lines = _Lines(file, find_encoding(file))
    rows = _Rows(file, lines)
    faults = _header_faults(rows.header, file.limits) or check_header(rows.header)
    if faults:
        raise refusal(file.path, *faults)
    try:
        while data := lines.take():
            piece = rows.plain(data) or rows.exact(data)
            if piece.row_numbers.size:
                yield _stripped(piece)
    except UnicodeDecodeError as error:
        raise refusal(file.path, Fault(reason="it was changed while it was read")) from error
    if rows.ragged:
        reason = f"not the header's {len(rows.header)} fields"
        raise refusal(file.path, Fault(reason=reason, rows=tuple(rows.ragged)))


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


def _stripped(piece: Piece) -> Piece:
    stripped = pl.all().str.strip_chars()
    frame = piece.frame.select(pl.when(stripped != "").then(stripped).name.keep())
    return Piece(frame=frame, row_numbers=piece.row_numbers)


class _Lines:
    """A file's lines: some megabytes of them at once (`take`), or one by one, as `csv.reader` asks for them."""

    def __init__(self, file: DataFile, encoding: str) -> None:
        self._pieces = _whole_lines(file, encoding)
        self._waiting: deque[str] = deque()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self._waiting:
            self.put_back(next(self._pieces))
        return self._waiting.popleft()

    def take(self) -> bytes:
        """Return lines that were not read yet, in UTF-8; nothing at the end of the file."""
        if not self._waiting:
            return next(self._pieces, b"")
        data = "".join(self._waiting).encode("utf-8")
        self._waiting.clear()
        return data

    def put_back(self, data: bytes) -> None:
        """Read these lines one by one, next."""
        self._waiting.extend(io.StringIO(data.decode("utf-8"), newline=""))

    @property
    def in_a_piece(self) -> bool:
        """Whether lines of the last piece are left."""
        return bool(self._waiting)


def _whole_lines(file: DataFile, encoding: str) -> Iterator[bytes]:
    """Yield all bytes after the mark, in UTF-8, each piece (the last one perhaps not) ending with a line feed."""
    skip_mark(file)
    rest = b""
    while block := file.read(_PIECE_BYTES):
        data = rest + block
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        if len(rest) > _LINE_BYTES:
            raise refusal(file.path, Fault(reason=f"a line longer than {_LINE_BYTES} bytes"))
        if end:
            yield data[:end] if encoding == "utf-8" else data[:end].decode(encoding).encode("utf-8")
    if rest:
        yield rest if encoding == "utf-8" else rest.decode(encoding).encode("utf-8")


class _Rows:
    """The rows of a CSV after its header, each with its number; those of another length are set aside."""

    def __init__(self, file: DataFile, lines: _Lines) -> None:
        self._file = file
        self._lines = lines
        self._rows = 0
        self.ragged: list[int] = []
        reader = csv.reader(lines, strict=True)
        try:
            self.header = [name.strip() for name in next((fields for fields in reader if fields), [])]
        except csv.Error as error:
            raise refusal(file.path, Fault(reason="the header is no line of a CSV", rows=(1,))) from error
        self._lines_read = reader.line_num

    def plain(self, data: bytes) -> Piece | None:
        """Return the rows of these lines if they can be read all at once."""
        frame = plain_rows(data, self.header)
        if frame is None:
            return None
        first = self._lines_read + 1
        self._lines_read += frame.height
        self._count(frame.height)
        return Piece(frame=frame, row_numbers=np.arange(first, first + frame.height))

    def exact(self, data: bytes) -> Piece:
        """Return the rows that begin in these lines; the last one may end in later ones."""
        self._lines.put_back(data)
        reader = csv.reader(self._lines, strict=True)
        before, numbers, rows = self._lines_read, [], []
        while self._lines.in_a_piece:
            number = before + reader.line_num + 1
            try:
                fields = next(reader)
            except csv.Error as error:
                fault = Fault(reason="quotes that do not close or match", rows=(number,))
                raise refusal(self._file.path, fault) from error
            if len(fields) == len(self.header):
                self._count(1)
                numbers.append(number)
                rows.append(fields)
            elif fields and len(self.ragged) < _FAULTY_ROWS_KEPT:
                self.ragged.append(number)
        self._lines_read = before + reader.line_num
        columns = zip(*rows, strict=True) if rows else [()] * len(self.header)
        series = [pl.Series(name, values, dtype=pl.String) for name, values in zip(self.header, columns, strict=True)]
        return Piece(frame=pl.DataFrame(series), row_numbers=np.array(numbers, dtype=np.int64))

    def _count(self, rows: int) -> None:
        self._rows += rows
        if self._rows > self._file.limits.rows:
            raise refusal(self._file.path, Fault(reason=f"more than {self._file.limits.rows} rows"))
