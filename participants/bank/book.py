"""A bank's book: its borrowers with their labels, the decoys beside them, and the bank's own features.

The table's columns, besides `enterprise_id` and the items of the bank's contract:

    default     1 did not repay, 0 did; empty: a decoy, or a borrower whose loan is still running
    weight      what the enterprise counts in training; left out or empty: 1 where there is a label
    holdout     1: kept out of training and used for evaluation alone; left out or empty: 0

Without a label the weight is 0 whatever the file says, so that nothing of a decoy enters the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto.identifiers import EnterpriseId
from participants.contract import KEY_COLUMN, DataContract, Item, ItemType
from participants.features import FeatureValues, feature_values
from participants.table_store import TableStore, rows_of

_DEFAULT: Final = Item(name="default", title="Did not repay", type=ItemType.FLAG)
_WEIGHT: Final = Item(name="weight", title="Weight in training", type=ItemType.NUMBER, minimum=0.0, maximum=1000.0)
_HOLDOUT: Final = Item(name="holdout", title="Kept out of training", type=ItemType.FLAG)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class BookRows:
    """The book's rows, in ascending order of their ids. All arrays are (rows,)."""

    enterprise_ids: tuple[EnterpriseId, ...]
    default: npt.NDArray[np.float64]
    """1.0 default, 0.0 repaid, NaN for a decoy."""
    weight: npt.NDArray[np.float64]
    """0.0 for a decoy."""
    holdout: npt.NDArray[np.bool_]


class BankBook:
    """The bank's book in `directory`, which holds its `contract.toml` (see `create`)."""

    def __init__(self, directory: Path) -> None:
        self._store = TableStore(directory, required=(_DEFAULT,), optional=(_WEIGHT, _HOLDOUT))

    @classmethod
    def create(cls, directory: Path, contract: DataContract) -> Self:
        """Make the directory (mode 0700) with this contract, and open the book."""
        TableStore.prepare(directory, contract)
        return cls(directory)

    @property
    def contract(self) -> DataContract:
        """The data contract, of the bank's own features."""
        return self._store.contract

    @property
    def is_empty(self) -> bool:
        """Whether nothing was imported yet."""
        return self._store.is_empty

    def import_file(self, path: Path) -> int:
        """Take the place of the whole book with that of a CSV or Parquet file; return its rows.

        `TableRefused` (with its report) when anything in the file is wrong; then nothing has changed.
        """
        return self._store.import_file(path)

    def rows(self) -> BookRows:
        """Return every borrower and decoy."""
        table = self._store.table()
        absent = [item for item in (_WEIGHT, _HOLDOUT) if item.name not in table.columns]
        table = table.with_columns(pl.lit(None).alias(item.name) for item in absent)
        labelled = pl.col("default").is_not_null()
        columns = table.select(
            pl.col("default").cast(pl.Float64).fill_null(float("nan")),
            pl.when(labelled).then(pl.col("weight").cast(pl.Float64).fill_null(1.0)).otherwise(0.0).alias("weight"),
            pl.col("holdout").cast(pl.Boolean).fill_null(value=False),
        )
        return BookRows(
            enterprise_ids=tuple(EnterpriseId(text) for text in table[KEY_COLUMN].to_list()),
            default=columns["default"].to_numpy().copy(),
            weight=columns["weight"].to_numpy().copy(),
            holdout=columns["holdout"].to_numpy().copy(),
        )

    def enterprise_ids(self) -> list[EnterpriseId]:
        """Return the ids of all borrowers and decoys, in ascending order."""
        return [EnterpriseId(text) for text in self._store.table()[KEY_COLUMN].to_list()]

    def features(self, enterprise_ids: Sequence[EnterpriseId]) -> dict[str, FeatureValues]:
        """Return the bank's own features of these enterprises, in the contract's order.

        All are missing where the book does not hold the enterprise. Each is (rows,) float64 with NaN for missing, or
        for a category a list of texts and None.
        """
        return feature_values(rows_of(self._store.table(), enterprise_ids), self.contract)
