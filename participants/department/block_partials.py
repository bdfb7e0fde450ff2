"""The partial scores of all enterprises by the blocks of all models, some ten thousand rows of records at a time.

A partial is the block's log-odds for one enterprise in fixed point; an enterprise without a record has that of a record
without values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from crypto.identifiers import ModelVersion
from models.block_file import AnyBlock
from models.wire.scoring import PARTIAL_FRACTION_BITS
from participants.department.store import AS_OF
from participants.records.contract import KEY_COLUMN, DataContract
from participants.records.features import feature_values

_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AllPartials:
    """All arrays are (enterprises,) int64, in ascending order of the ids."""

    enterprise_ids: pl.Series
    as_of: NDArray[np.int64]
    """Of when each one's data are, in seconds since 1970."""
    partials: dict[ModelVersion, NDArray[np.int64]]
    absent: dict[ModelVersion, int]
    """The partial of a record without values."""


def columns_of(blocks: Iterable[AnyBlock], contract: DataContract) -> list[str]:
    """The columns of the records that `all_partials` wants."""
    wanted = {name for block in blocks for name in block.feature_names}
    return [KEY_COLUMN, AS_OF.name, *(item.name for item in contract.features if item.name in wanted)]


def all_partials(
    blocks: Mapping[ModelVersion, AnyBlock], contract: DataContract, parts: Iterable[pl.DataFrame], *, now: int
) -> AllPartials:
    """Compute the partials of records that come in `parts`; `now` is of when data are that do not say it.

    Raises `InvalidModelInput` if the contract has a block's feature no longer, or as something else.
    """
    names = set(columns_of(blocks.values(), contract))
    used = contract.with_features(frozenset(item.name for item in contract.features if item.name in names))
    ids, days = [], []
    partials: dict[ModelVersion, list[NDArray[np.int64]]] = {version: [] for version in blocks}
    for part in parts:
        ids.append(part[KEY_COLUMN])
        days.append(_seconds(part, now))
        values = feature_values(part, used)
        for version, block in blocks.items():
            partials[version].append(_fixed_point(block, block.encode(values)))
    return AllPartials(
        enterprise_ids=pl.concat(ids),
        as_of=np.concatenate(days),
        partials={version: np.concatenate(found) for version, found in partials.items()},
        absent={version: int(_fixed_point(block, block.absent_codes(1))[0]) for version, block in blocks.items()},
    )


def _fixed_point(block: AnyBlock, codes: NDArray[Any]) -> NDArray[np.int64]:
    log_odds = block.image(codes, block.weights_array())
    return np.rint(log_odds * 2.0**PARTIAL_FRACTION_BITS).astype(np.int64)


def _seconds(part: pl.DataFrame, now: int) -> NDArray[np.int64]:
    if AS_OF.name not in part.columns:
        return np.full(part.height, now, dtype=np.int64)
    days = part[AS_OF.name].to_physical().cast(pl.Int64)
    return (days * _DAY_SECONDS).fill_null(now).to_numpy()
