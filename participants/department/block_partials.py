"""The partial scores of all enterprises by the blocks of all models, some ten thousand rows of records at a time.

A partial is the block's log-odds for one enterprise in fixed point; an enterprise without a record has that of a record
without values. With it comes what the enterprise loses by reason family, of the same contributions: the families are
those that the contract names for the block's features.
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
from models.reasons.lost import LostByFamily
from models.wire.scoring import PARTIAL_FRACTION_BITS
from participants.department.points_lost import PointsLost
from participants.department.store import AS_OF
from participants.records.contract import KEY_COLUMN, DataContract
from participants.records.features import FeatureValues, feature_values

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
    lost: dict[ModelVersion, PointsLost]


def columns_of(blocks: Iterable[AnyBlock], contract: DataContract) -> list[str]:
    """The columns of the records that `all_partials` wants."""
    wanted = {name for block in blocks for name in block.feature_names}
    return [KEY_COLUMN, AS_OF.name, *(item.name for item in contract.features if item.name in wanted)]


def all_partials(
    blocks: Mapping[ModelVersion, AnyBlock], contract: DataContract, parts: Iterable[pl.DataFrame], *, now: int
) -> AllPartials:
    """Compute partials and points lost of records that come in `parts`; `now` is of when data are that do not say it.

    Raises `InvalidModelInput` if the contract has a block's feature no longer, or as something else.
    """
    names = set(columns_of(blocks.values(), contract))
    used = contract.with_features(frozenset(item.name for item in contract.features if item.name in names))
    ids, days = [], []
    computing = {version: _Computation(block, contract) for version, block in blocks.items()}
    for part in parts:
        ids.append(part[KEY_COLUMN])
        days.append(_seconds(part, now))
        values = feature_values(part, used)
        for one in computing.values():
            one.take(values)
    return AllPartials(
        enterprise_ids=pl.concat(ids),
        as_of=np.concatenate(days),
        partials={version: np.concatenate(one.partials) for version, one in computing.items()},
        absent={version: one.absent for version, one in computing.items()},
        lost={version: one.points_lost() for version, one in computing.items()},
    )


class _Computation:
    """One block's partials and points lost, part by part."""

    def __init__(self, block: AnyBlock, contract: DataContract) -> None:
        self._block = block
        self._families = LostByFamily(block, contract.reasons)
        self.partials: list[NDArray[np.int64]] = []
        self._lost: list[NDArray[np.int32]] = []
        partial, self._absent_lost = self._of(block.absent_codes(1))
        self.absent = int(partial[0])

    def take(self, values: Mapping[str, FeatureValues]) -> None:
        partials, lost = self._of(self._block.encode(values))
        self.partials.append(partials)
        self._lost.append(lost)

    def points_lost(self) -> PointsLost:
        return PointsLost(codes=self._families.codes, rows=np.concatenate(self._lost), absent=self._absent_lost[0])

    def _of(self, codes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        contributions = self._block.contributions(codes)
        partials = np.rint(contributions.sum(axis=1) * 2.0**PARTIAL_FRACTION_BITS).astype(np.int64)
        return partials, self._families.lost(contributions)


def _seconds(part: pl.DataFrame, now: int) -> NDArray[np.int64]:
    if AS_OF.name not in part.columns:
        return np.full(part.height, now, dtype=np.int64)
    days = part[AS_OF.name].to_physical().cast(pl.Int64)
    return (days * _DAY_SECONDS).fill_null(now).to_numpy()
