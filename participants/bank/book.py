"""A bank's book: its borrowers with their labels, the decoys beside them, and the bank's own features.

The table's columns, besides `enterprise_id` and the items of the bank's contract:

    default     1 did not repay, 0 did; empty: a decoy, or a borrower whose loan is still running
    weight      what the enterprise counts in training; left out or empty: 1 where there is a label
    holdout     1: kept out of training and used for evaluation alone; left out or empty: 0

Without a label the weight is 0 whatever the file says, so that nothing of a decoy enters the model.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto.identifiers import EnterpriseId
from participants.records.contract import KEY_COLUMN, Item, ItemType
from participants.records.records import Records

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


class BankBook(Records):
    """The bank's book; its contract is of the bank's own features."""

    REQUIRED = (_DEFAULT,)
    OPTIONAL = (_WEIGHT, _HOLDOUT)

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
