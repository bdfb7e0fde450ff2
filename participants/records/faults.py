"""The report on a data file that broke its contract: what is wrong, in which column, in which rows; never a value.

A header that is not in the contract may be a record itself (a file without its header), so columns that are unknown are
named by their position.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_ROWS_SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong, in one column (None: in the file as a whole), in these rows (the header is row 1)."""

    reason: str
    column: str | None = None
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = "file" if self.column is None else f"column {self.column}"
        return f"{where}: {self.reason}" + (f" ({describe_rows(self.rows)})" if self.rows else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReport:
    """Every fault of one file."""

    file_name: str
    faults: tuple[Fault, ...]

    def summary(self) -> str:
        """Say in one line what is wrong with the file."""
        more = f", and {len(self.faults) - 1} more faults" if len(self.faults) > 1 else ""
        return f"{self.file_name} was refused: {self.faults[0]}{more}"

    def lines(self) -> Iterator[str]:
        """Yield one line a fault."""
        for fault in self.faults:
            yield str(fault)

    def to_json(self) -> dict[str, object]:
        """Return the report as plain data, every row number in it."""
        faults = [{"column": fault.column, "reason": fault.reason, "rows": list(fault.rows)} for fault in self.faults]
        return {"file": self.file_name, "faults": faults}


def describe_rows(rows: Iterable[int]) -> str:
    """Return row numbers for a human: runs joined, and a long list cut with its length."""
    ordered = sorted(set(rows))
    runs: list[list[int]] = []
    for row in ordered:
        if runs and row == runs[-1][1] + 1:
            runs[-1][1] = row
        else:
            runs.append([row, row])
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs[:_ROWS_SHOWN])
    cut = ", ..." if len(runs) > _ROWS_SHOWN else ""
    if len(ordered) == 1:
        return f"row {shown}"
    return f"rows {shown}{cut}; {len(ordered)} in all"
