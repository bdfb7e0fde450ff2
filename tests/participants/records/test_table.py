import io
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto.identifiers import ParticipantId
from models.enterprise_id import make_enterprise_ids
from participants.errors import TableRefused
from participants.records.contract import Category, DataContract, Item, ItemType
from participants.records.data_file import TableLimits
from participants.records.faults import TableReport
from participants.records.table import read_table

IDS = make_enterprise_ids(np.random.default_rng(5), 40)
ITEMS = (
    Item(name="sales", title="Sales", type=ItemType.NUMBER, minimum=0.0, maximum=1e9, feature=True),
    Item(name="staff", title="Staff", type=ItemType.INTEGER, minimum=0.0),
    Item(name="listed", title="Listed", type=ItemType.FLAG),
    Item(name="since", title="Since", type=ItemType.DATE),
    Item(name="grade", title="Grade", type=ItemType.CATEGORY, allowed=("A", "B", "甲")),
    Item(name="name", title="Name", type=ItemType.TEXT),
)
CONTRACT = DataContract(
    holder=ParticipantId("tax"), title="Tax", categories=(Category(name="all", title="All", items=ITEMS),)
)
HEADER = "enterprise_id,sales,staff,listed,since,grade,name"


def row(index: int, rest: str = "1.5,3,1,2020-02-29,甲,渝江实业") -> str:
    return f"{IDS[index]},{rest}"


def csv_file(directory: Path, *lines: str, encoding: str = "utf-8", name: str = "data.csv") -> Path:
    path = directory / name
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def refused(path: Path, contract: DataContract = CONTRACT, limits: TableLimits | None = None) -> TableReport:
    with pytest.raises(TableRefused) as caught:
        read_table(path, contract, limits=limits)
    assert "\n" not in caught.value.message
    assert caught.value.advice
    return caught.value.report


def faults(report: TableReport) -> dict[tuple[str | None, str], tuple[int, ...]]:
    return {(fault.column, fault.reason): fault.rows for fault in report.faults}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_good_csv_is_read_in_each_encoding(tmp_path: Path, encoding: str) -> None:
    table = read_table(csv_file(tmp_path, HEADER, row(0), row(1, ",,,,,"), encoding=encoding), CONTRACT)
    assert table.schema == pl.Schema(
        {
            "enterprise_id": pl.String,
            "sales": pl.Float64,
            "staff": pl.Int64,
            "listed": pl.Boolean,
            "since": pl.Date,
            "grade": pl.String,
            "name": pl.String,
        }
    )
    assert table.row(0)[5:] == ("甲", "渝江实业")
    assert table.row(1) == (IDS[1], None, None, None, None, None, None)


def test_windows_line_ends_blank_lines_and_quotes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(
        f'{HEADER}\r\n\r\n{row(0, "1,2,是,2020-01-01,A,x")}\r\n{row(1, "1,2,no,,B,")}"a, ""b""\nc"'.encode()
    )
    table = read_table(path, CONTRACT)
    assert table["name"].to_list() == ["x", 'a, "b"\nc']
    assert table["listed"].to_list() == [True, False]


def test_every_fault_is_reported_with_its_rows_and_without_values(tmp_path: Path) -> None:
    wrong_check = IDS[0][:-1] + ("0" if IDS[0][-1] != "0" else "1")
    wrong_organisation = IDS[0][:16] + ("0" if IDS[0][16] != "0" else "1") + IDS[0][17]
    path = csv_file(
        tmp_path,
        HEADER,
        row(0, "-987654,3,1,2020-02-29,A,x"),
        "",
        row(1, "twelve-secret,3.5,maybe-secret,2020-02-30,Z-secret,x"),
        row(2, "nan,1e400,1,20200101,A,x"),
        row(0, "1,1,1,,A,x"),
        f"{wrong_check},1,1,1,,A,x",
        f"{wrong_organisation},1,1,1,,A,x",
        ",1,1,1,,A,x",
        row(3, "inf,-1,1,,A,x"),
    )
    report = refused(path)
    assert faults(report) == {
        ("sales", "not a number"): (4, 5, 10),
        ("sales", "below 0"): (2,),
        ("staff", "not a whole number"): (4, 5),
        ("staff", "below 0"): (10,),
        ("listed", "neither yes (1) nor no (0)"): (4,),
        ("since", "not a date from 1900 to 2199 as yyyy-mm-dd"): (4, 5),
        ("grade", "none of the contract's categories"): (4,),
        ("enterprise_id", "the enterprise is there more than once"): (2, 6),
        ("enterprise_id", "the check digit of the whole code (character 18) is wrong"): (7,),
        ("enterprise_id", "the check digit of the organisation code (character 17) is wrong"): (8,),
        ("enterprise_id", "it is empty"): (9,),
    }
    shown = "\n".join(report.lines()) + str(report.to_json())
    for value in ("secret", "987654", "1e400", "20200101", IDS[0], wrong_check):
        assert value not in shown


def test_rows_of_another_length_are_named(tmp_path: Path) -> None:
    report = refused(csv_file(tmp_path, HEADER, row(0), row(1) + ",more", row(2), "alone"))
    assert faults(report) == {(None, "not the header's 7 fields"): (3, 5)}


def test_columns_are_checked_before_rows_and_strange_ones_named_by_position(tmp_path: Path) -> None:
    report = refused(csv_file(tmp_path, "enterprise_id,sales,91330100799655058B,staff,listed,since,grade", row(0)))
    assert ("name", "it is missing") in faults(report)
    assert (None, "the contract does not know column 3 (counted from the left)") in faults(report)
    assert "91330100799655058B" not in "".join(report.lines())
    twice = refused(csv_file(tmp_path, HEADER + ",sales", row(0) + ",1"))
    assert faults(twice) == {(None, "the name of column 8 is there twice"): (1,)}


def test_files_that_are_no_tables_are_one_clear_error(tmp_path: Path) -> None:
    contents = {
        "empty": b"",
        "blank": b" \n\n",
        "header_only": HEADER.encode() + b"\n",
        "utf16": "enterprise_id,sales".encode("utf-16"),
        "binary": bytes(range(256)),
        "neither": HEADER.encode() + b"\n\xff\xff\xff\n",
        "open_quote": f'{HEADER}\n"{IDS[0]},1'.encode(),
        "parquet_head": b"PAR1 and nothing",
        "parquet_false": b"PAR1" + b"\x07" * 400 + b"PAR1",
        "huge_field": f"{HEADER}\n{IDS[0]},{'9' * 200_000}".encode(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert len(refused(tmp_path / name).faults) == 1, name
    assert faults(refused(tmp_path)) == {(None, "it is a directory"): ()}
    assert faults(refused(tmp_path / "missing")) == {(None, "there is no such file"): ()}
    refused(tmp_path / "a\x00b")
    os.mkfifo(tmp_path / "pipe")
    assert faults(refused(tmp_path / "pipe")) == {(None, "it is no regular file"): ()}
    assert refused(tmp_path / "neither").faults[0].rows == (2,)


def test_bombs_are_refused_at_their_limits(tmp_path: Path) -> None:
    path = csv_file(tmp_path, HEADER, *(row(index) for index in range(20)))
    assert "longer than" in refused(path, limits=TableLimits(file_bytes=100)).faults[0].reason
    assert "more than 10 rows" in refused(path, limits=TableLimits(rows=10)).faults[0].reason
    assert "more than 5 columns" in refused(path, limits=TableLimits(columns=5)).faults[0].reason
    parquet = tmp_path / "data.parquet"
    pl.read_csv(path).write_parquet(parquet)
    assert "more than 10 rows" in refused(parquet, limits=TableLimits(rows=10)).faults[0].reason


def test_a_parquet_file_gives_the_same_table_as_the_csv(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, HEADER, row(0), row(1, ",,,,,"), row(2, "1e-7,5,0,1999-12-31,B,")), CONTRACT)
    path = tmp_path / "data.parquet"
    table.write_parquet(path)
    assert read_table(path, CONTRACT).equals(table)
    as_pandas_writes = table.with_columns(
        pl.col("sales").fill_null(float("nan")), pl.col("staff").cast(pl.Float64), pl.col("since").cast(pl.Datetime)
    )
    as_pandas_writes.write_parquet(path)
    assert read_table(path, CONTRACT).equals(table)


def test_a_timestamp_is_a_date_at_midnight_in_its_own_time_zone_and_a_fault_else(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, HEADER, *(row(number) for number in range(3))), CONTRACT)
    path = tmp_path / "data.parquet"
    midnights = pl.col("since").cast(pl.Datetime).dt.replace_time_zone("Asia/Shanghai")
    table.with_columns(midnights).write_parquet(path)
    assert read_table(path, CONTRACT).equals(table)
    table.with_columns(midnights.dt.convert_time_zone("UTC")).write_parquet(path)  # 16:00 of the day before
    wrong = {("since", "not a date from 1900 to 2199 as yyyy-mm-dd"): (2, 3, 4)}
    assert faults(refused(path)) == wrong
    hours = pl.Series([0, 3_600_000, 0]).cast(pl.Duration("ms"))
    table.with_columns(pl.col("since").cast(pl.Datetime("ms")) + hours).write_parquet(path)
    assert list(faults(refused(path)).values()) == [(3,)]


def test_faults_of_a_parquet_file_are_counted_as_in_a_csv(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, HEADER, row(0), row(1)), CONTRACT)
    path = tmp_path / "data.parquet"
    table.with_columns(pl.Series("sales", [1.0, -5.0])).write_parquet(path)
    assert faults(refused(path)) == {("sales", "below 0"): (3,)}
    table.with_columns(pl.Series("sales", [[1.0], [2.0]])).write_parquet(path)
    assert faults(refused(path)) == {("sales", "a nested or binary type"): ()}


def test_a_parquet_file_cut_or_changed_anywhere_never_escapes_as_another_error(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    read_table(csv_file(tmp_path, HEADER, row(0), row(1)), CONTRACT).write_parquet(buffer)
    data = buffer.getvalue()
    path = tmp_path / "data.parquet"
    rng = np.random.default_rng(11)
    for _ in range(150):
        changed = bytearray(data)
        for position in rng.integers(4, len(data) - 4, size=3):
            changed[position] ^= int(rng.integers(1, 256))
        cut = int(rng.integers(5, len(data)))
        for content in (bytes(changed), data[:cut], data[:cut] + b"PAR1"):
            path.write_bytes(content)
            try:
                read_table(path, CONTRACT)
            except TableRefused:
                continue


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: f"{HEADER}\n{text}".encode()))
def test_only_our_error_escapes_from_any_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(data)
    with pytest.raises(TableRefused):
        read_table(path, CONTRACT)
