import pytest

from participants.errors import TableRefused
from participants.records.faults import Fault, TableReport, describe_rows


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([5], "row 5"),
        ([9, 2, 3, 4, 2], "rows 2-4, 9; 4 in all"),
        (range(2, 60, 2), "rows 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, ...; 29 in all"),
    ],
)
def test_rows_are_joined_and_cut_for_a_human(rows: list[int], text: str) -> None:
    assert describe_rows(rows) == text


def test_the_message_is_one_line_and_the_report_has_every_row() -> None:
    faults = (Fault(reason="it is empty", column="sales", rows=tuple(range(2, 102))), Fault(reason="it has no end"))
    error = TableRefused(TableReport(file_name="data.csv", faults=faults))
    assert error.message.startswith("data.csv was refused: column sales: it is empty (rows 2-101; 100 in all)")
    assert "\n" not in error.message
    assert list(error.report.lines())[1] == "file: it has no end"
    listed = error.report.to_json()["faults"]
    assert isinstance(listed, list)
    assert listed[0]["rows"] == list(range(2, 102))
