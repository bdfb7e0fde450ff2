import csv
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from participants.errors import TableRefused
from participants.records import text_table
from participants.records.data_file import DataFile, TableLimits
from participants.records.plain_rows import plain_rows

HEADER = ("a", "b", "c")
FIELDS = st.text(alphabet='x1 甲",\n\r\ufeff', max_size=4)
QUOTED = FIELDS.map(lambda text: '"' + text.replace('"', '""') + '"')
LINES = st.lists(st.lists(FIELDS | QUOTED, min_size=2, max_size=4).map(",".join), max_size=6)


def as_csv_reads(text: str) -> list[list[str]] | None:
    """The rows that `csv.reader` finds; None where it finds a fault."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return None
    return rows if all(len(row) == len(HEADER) for row in rows) else None


def filled(rows: list[tuple[str | None, ...]]) -> list[list[str]]:
    return [[field or "" for field in row] for row in rows]


@settings(max_examples=1500, deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_rows_read_at_once_are_those_that_the_csv_module_reads(lines: list[str], end: str, closed: bool) -> None:
    text = end.join(lines) + (end if closed else "")
    frame = plain_rows(text.encode(), HEADER)
    if frame is not None:
        assert filled(frame.rows()) == as_csv_reads(text)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1,2,3\n", [["1", "2", "3"]]),
        ("1,2,3\r\n,,\r\n", [["1", "2", "3"], ["", "", ""]]),
        ('"1,2",,"x"\n', [["1,2", "", "x"]]),
    ],
)
def test_plain_lines_are_read_at_once(text: str, rows: list[list[str]]) -> None:
    frame = plain_rows(text.encode(), HEADER)
    assert frame is not None
    assert filled(frame.rows()) == rows


@pytest.mark.parametrize(
    "text",
    ["1,2\n", "1,2,3,4\n", "1,2,3\n\n", '1,2,"3\n4"\n', '1,"2""x",3\n', '1,2"x",3\n', '1,"2,3\n', "1,2,3\r4,5,6\n"],
)
def test_lines_that_need_care_are_left_to_the_csv_module(text: str) -> None:
    assert plain_rows(text.encode(), HEADER) is None
    assert plain_rows(f"1,2,{'9' * 200_000}\n".encode(), HEADER) is None


def rows_and_numbers(path: Path) -> tuple[list[tuple[str | None, ...]], list[int]] | str:
    try:
        with DataFile(path, TableLimits()) as file:
            pieces = list(text_table.text_pieces(file))
    except TableRefused as error:
        return str(error.report.to_json())
    if not pieces:
        return [], []
    numbers = np.concatenate([piece.row_numbers for piece in pieces]).tolist()
    return pl.concat([piece.frame for piece in pieces]).rows(), numbers


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["utf-8", "gb18030"]), st.integers(1, 40))
def test_where_a_file_is_cut_into_pieces_changes_nothing(
    tmp_path: Path, lines: list[str], end: str, encoding: str, piece_bytes: int
) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(end.join(["a,b,c", *lines]).encode(encoding))
    whole = rows_and_numbers(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("participants.records.text_table._PIECE_BYTES", piece_bytes)
        patch.setattr("participants.records.encoding._BLOCK_BYTES", piece_bytes)
        assert rows_and_numbers(path) == whole


def test_a_file_is_never_in_memory_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b,c\n" + b"1,22,333\n" * 100_000 + b'"",x,"y ""z"""\n' * 2_000)
    monkeypatch.setattr("participants.records.text_table._PIECE_BYTES", 1 << 16)
    with DataFile(path, TableLimits()) as file:
        heights = [piece.frame.height for piece in text_table.text_pieces(file)]
    assert sum(heights) == 102_000
    assert max(heights) < 10_000
