"""A participant's own table behind its contract: what a bank's book and a department's store have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from crypto.identifiers import EnterpriseId
from participants.records.contract import KEY_COLUMN, DataContract, Item
from participants.records.features import FeatureValues, feature_values
from participants.records.table_store import TableStore, rows_of


class Records:
    """The records in `directory`, which holds their `contract.toml` (see `create`)."""

    REQUIRED: ClassVar[tuple[Item, ...]] = ()
    """Columns that every file has, beside the key."""
    OPTIONAL: ClassVar[tuple[Item, ...]] = ()
    """Columns that a file may have, beside those of its contract."""

    def __init__(self, directory: Path) -> None:
        self._store = TableStore(directory, required=self.REQUIRED, optional=self.OPTIONAL)

    @classmethod
    def create(cls, directory: Path, contract: DataContract) -> Self:
        """Make the directory (mode 0700) with this contract, and open it."""
        TableStore.prepare(directory, contract)
        return cls(directory)

    @property
    def contract(self) -> DataContract:
        """The data contract."""
        return self._store.contract

    @property
    def table_store(self) -> TableStore:
        """Where the records are kept: for an import that goes step by step."""
        return self._store

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
