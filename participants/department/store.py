"""What a department holds of the enterprises: its records, on its own disk, behind its data contract."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final, Self

import polars as pl

from crypto.identifiers import EnterpriseId
from participants.contract import KEY_COLUMN, DataContract, Item, ItemType
from participants.features import FeatureValues, feature_values
from participants.table_store import TableStore, rows_of

AS_OF: Final = Item(name="as_of", title="Day that the row's data are of", type=ItemType.DATE)


class DepartmentStore:
    """The department's store in `directory`, which holds its `contract.toml` (see `create`)."""

    def __init__(self, directory: Path) -> None:
        self._store = TableStore(directory, optional=(AS_OF,))

    @classmethod
    def create(cls, directory: Path, contract: DataContract) -> Self:
        """Make the directory (mode 0700) with this contract, and open the store."""
        TableStore.prepare(directory, contract)
        return cls(directory)

    @property
    def contract(self) -> DataContract:
        """The data contract."""
        return self._store.contract

    @property
    def is_empty(self) -> bool:
        """Whether nothing was imported yet."""
        return self._store.is_empty

    def import_file(self, path: Path) -> int:
        """Take the place of all records with those of a CSV or Parquet file; return how many.

        `TableRefused` (with its report) when anything in the file is wrong; then nothing has changed.
        """
        return self._store.import_file(path)

    def enterprise_ids(self) -> list[EnterpriseId]:
        """Return the ids of all enterprises of which there is a record, in ascending order."""
        return [EnterpriseId(text) for text in self._store.table()[KEY_COLUMN].to_list()]

    def features(self, enterprise_ids: Sequence[EnterpriseId]) -> dict[str, FeatureValues]:
        """Return the model's features of these enterprises, in the contract's order; all missing where none are held.

        Each is (rows,) float64 with NaN for missing (dates as days since 1970-01-01, flags as 0 and 1), or for a
        category a list of texts and None.
        """
        return feature_values(rows_of(self._store.table(), enterprise_ids), self.contract)

    def as_of(self, enterprise_ids: Sequence[EnterpriseId]) -> list[date | None]:
        """Return the day that each enterprise's data are of; None where that is not known or nothing is held."""
        table = self._store.table()
        if AS_OF.name not in table.columns:
            return [None] * len(enterprise_ids)
        dates: pl.Series = rows_of(table.select(KEY_COLUMN, AS_OF.name), enterprise_ids)[AS_OF.name]
        return dates.to_list()
