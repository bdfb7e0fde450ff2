"""Features of enterprises as the model takes them, from a participant's checked table."""

import numpy as np
import numpy.typing as npt
import polars as pl

from participants.records.contract import DataContract, Item, ItemType

FeatureValues = npt.NDArray[np.float64] | list[str | None]
"""Numbers, (rows,) float64 with NaN for missing; or categories, a text or None for each row."""


def feature_values(rows: pl.DataFrame, contract: DataContract) -> dict[str, FeatureValues]:
    """Return the contract's features of these rows, in its order.

    Integers and flags (0, 1) become numbers as well; a date becomes days since 1970-01-01.
    """
    return {item.name: _values(rows[item.name], item) for item in contract.features}


def _values(column: pl.Series, item: Item) -> FeatureValues:
    if item.type is ItemType.CATEGORY:
        return column.to_list()
    numbers = column.to_physical() if item.type is ItemType.DATE else column
    return numbers.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
