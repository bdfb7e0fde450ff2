"""The directory of data items of the federation's departments: 26 departments, 105 categories, 1,242 items.

The directory is the file `catalogue.csv` beside this module, one row an item, with the columns

    department, department_title, department_title_zh, category, category_title, category_title_zh,
    item, title, title_zh, type, unit, values, update_frequency, description, reason

`values` lists a category's values, separated by `|`, where there are few. Units: `CNY 10k` is ten thousand yuan (万元).
`reason` is the code of the item's reason family (`models/reasons/families.toml`).
The numbers are those of Chongqing's platform; the items are ours.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final

from crypto.identifiers import ParticipantId
from participants.errors import ContractRefused
from participants.records.contract import Category, DataContract, Item, ItemType, UpdateFrequency
from simulations.errors import CatalogueUnusable

CATALOGUE_FILE: Final = Path(__file__).with_name("catalogue.csv")
COLUMNS: Final = (
    "department",
    "department_title",
    "department_title_zh",
    "category",
    "category_title",
    "category_title_zh",
    "item",
    "title",
    "title_zh",
    "type",
    "unit",
    "values",
    "update_frequency",
    "description",
    "reason",
)
_Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every department with the contract of all that it holds, in the directory's order."""

    departments: tuple[DataContract, ...]

    def department(self, participant_id: ParticipantId) -> DataContract:
        """Return one department's contract; `CatalogueUnusable` when the directory does not know it."""
        for contract in self.departments:
            if contract.holder == participant_id:
                return contract
        raise CatalogueUnusable(f"the catalogue has no department {participant_id!r}")


@cache
def load_catalogue(path: Path = CATALOGUE_FILE) -> Catalogue:
    """Read the directory; `CatalogueUnusable` names the row where it is not well formed (the header is row 1)."""
    rows = _read(path)
    departments = [_department(group) for group in _groups(rows, "department")]
    if len({contract.holder for contract in departments}) < len(departments):
        raise CatalogueUnusable("the catalogue names a department in two places")
    return Catalogue(departments=tuple(departments))


def _read(path: Path) -> list[_Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise CatalogueUnusable(f"{path.name} has not the catalogue's columns")
            rows: list[_Row] = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CatalogueUnusable(f"{path.name} cannot be read ({type(error).__name__})") from error
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise CatalogueUnusable(f"row {number} of {path.name} has not {len(COLUMNS)} fields")
    return rows


def _groups(rows: Sequence[_Row], column: str) -> list[list[_Row]]:
    return [list(group) for _, group in groupby(rows, key=lambda row: row[column])]


def _department(rows: Sequence[_Row]) -> DataContract:
    first = rows[0]
    try:
        return DataContract(
            holder=ParticipantId(first["department"]),
            title=f"{first['department_title']} {first['department_title_zh']}",
            categories=tuple(_category(group) for group in _groups(rows, "category")),
        )
    except (ContractRefused, ValueError) as error:
        raise CatalogueUnusable(f"department {first['department']!r} of the catalogue: {error}") from error


def _category(rows: Sequence[_Row]) -> Category:
    first, reasons = rows[0], [row["reason"] for row in rows]
    most = max(reasons, key=reasons.count)  # said once, for the whole category
    return Category(
        name=first["category"],
        title=f"{first['category_title']} {first['category_title_zh']}",
        items=tuple(_item(row, reason="" if row["reason"] == most else row["reason"]) for row in rows),
        reason=most,
    )


def _item(row: _Row, *, reason: str) -> Item:
    return Item(
        name=row["item"],
        title=f"{row['title']} {row['title_zh']}",
        type=ItemType(row["type"]),
        unit=row["unit"],
        update_frequency=UpdateFrequency(row["update_frequency"]),
        description=row["description"],
        allowed=tuple(row["values"].split("|")) if row["values"] else (),
        reason=reason,
    )
