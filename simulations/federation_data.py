"""The data of a whole federation, as its participants would hold them: one contract and one table each.

    <directory>/
      federation.json              name, title, participants
      departments/<id>/contract.toml, data.csv or data.parquet
      banks/<id>/contract.toml, data.csv or data.parquet

A department's table has the columns `enterprise_id`, perhaps `as_of` (the day that the row's data are of) and one
column an item of its contract. A bank's has `enterprise_id`, `default` (0, 1, or empty for a decoy), `weight`,
`holdout` and the items of its contract. The order of the rows differs between participants.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl

from crypto.identifiers import ParticipantId
from participants.records.contract import DataContract

TableFormat = Literal["csv", "parquet"]
_DESCRIPTION: Final = "federation.json"
_FORMAT_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentData:
    """One department: its contract and the table that it would import."""

    participant_id: ParticipantId
    title: str
    contract: DataContract
    table: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class BankData:
    """One bank: its contract and its book of borrowers and decoys."""

    participant_id: ParticipantId
    title: str
    contract: DataContract
    table: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class FederationData:
    """All departments and banks of one federation."""

    name: str
    title: str
    departments: tuple[DepartmentData, ...]
    banks: tuple[BankData, ...]

    @property
    def members(self) -> tuple[DepartmentData | BankData, ...]:
        """All departments, then all banks."""
        return (*self.departments, *self.banks)

    def write(self, directory: Path, *, table_format: TableFormat = "csv") -> dict[ParticipantId, Path]:
        """Write every contract and table; return where each participant's table is.

        `directory` is made when it is not there; files in it of the same names are replaced.
        """
        written: dict[ParticipantId, Path] = {}
        for folder, members in (("departments", self.departments), ("banks", self.banks)):
            for member in members:
                home = directory / folder / member.participant_id
                home.mkdir(parents=True, exist_ok=True)
                (home / "contract.toml").write_text(member.contract.to_toml(), encoding="utf-8")
                path = home / f"data.{table_format}"
                if table_format == "csv":
                    member.table.write_csv(path)
                else:
                    member.table.write_parquet(path)
                written[member.participant_id] = path
        description = json.dumps(self._description(), ensure_ascii=False, indent=2)
        (directory / _DESCRIPTION).write_text(description + "\n", encoding="utf-8")
        return written

    def _description(self) -> dict[str, object]:
        return {
            "format": _FORMAT_VERSION,
            "name": self.name,
            "title": self.title,
            "departments": [{"id": one.participant_id, "title": one.title} for one in self.departments],
            "banks": [{"id": one.participant_id, "title": one.title} for one in self.banks],
        }


def written_title(directory: Path) -> str:
    """The title of the federation whose data were written to `directory`."""
    title: str = json.loads((directory / _DESCRIPTION).read_text(encoding="utf-8"))["title"]
    return title
