"""A department's records and a model over them, drawn at random: what an import is measured with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from crypto.documents import canonical_json
from crypto.identifiers import ParticipantId, Role
from models.additive import BinnedBlock
from models.block_file import block_to_bytes
from models.enterprise_id import make_enterprise_ids
from models.feature_bins import FeatureBins, FeatureKind
from participants.department.database import open_database
from participants.department.partials import partial_table
from participants.department.store import AS_OF, DepartmentStore
from participants.home import Home
from participants.model_store import ModelStore, model_version
from participants.records.contract import KEY_COLUMN, Category, DataContract, Item, ItemType

DEPARTMENT: Final = ParticipantId("department-01")
MISSING_SHARE: Final = 0.1
_GRADES: Final = ("A", "B", "M", "C", "D", "制造业", "批发和零售业")
_LAST_DAY: Final = 20_500  # since 1970-01-01
_N, _I, _F, _C, _D = ItemType.NUMBER, ItemType.INTEGER, ItemType.FLAG, ItemType.CATEGORY, ItemType.DATE
_MIX: Final = (_N, _I, _C, _F, _N, _I, _D, _N, _I, _C, _N, _F, _I, _N, _N, _D, _I, _C, _F, _N)
"""About as many of each type as in the catalogue of items of a federation, categories and dates a little more."""


_REASONS: Final = ("TX1", "TX2", "TX3", "GE1")
"""As many as a department has."""


def drawn_contract(items: int) -> DataContract:
    """The contract of so many items of every type, all features, of a few reason families in turn."""
    columns = tuple(
        replace(_item(f"item_{number:04d}", _MIX[number % len(_MIX)]), reason=_REASONS[number % len(_REASONS)])
        for number in range(items)
    )
    category = Category(name="drawn", title="Drawn", items=columns)
    return DataContract(holder=DEPARTMENT, title="Drawn department", categories=(category,))


def _item(name: str, kind: ItemType) -> Item:
    numeric = kind in {ItemType.NUMBER, ItemType.INTEGER}
    return Item(
        name=name,
        title=name,
        type=kind,
        minimum=0.0 if numeric else None,
        maximum=1e9 if numeric else None,
        allowed=_GRADES if kind is ItemType.CATEGORY else (),
        feature=True,
    )


def drawn_table(contract: DataContract, enterprises: int, rng: np.random.Generator) -> pl.DataFrame:
    """Draw records of so many enterprises, in no order; a tenth of the values are missing."""
    columns = [pl.Series(KEY_COLUMN, make_enterprise_ids(rng, enterprises))]
    columns.append(_column(AS_OF, enterprises, rng))
    for item in contract.items:
        missing = pl.Series(rng.random(enterprises) < MISSING_SHARE)
        columns.append(_column(item, enterprises, rng).set(missing, None))
    return pl.DataFrame(columns)


def _column(item: Item, rows: int, rng: np.random.Generator) -> pl.Series:
    draw: dict[ItemType, Callable[[], pl.Series]] = {
        ItemType.NUMBER: lambda: pl.Series(np.round(rng.lognormal(5, 2, rows), 2)),
        ItemType.INTEGER: lambda: pl.Series(rng.poisson(5, rows)),
        ItemType.CATEGORY: lambda: pl.Series(_GRADES).gather(rng.integers(len(_GRADES), size=rows)),
        ItemType.FLAG: lambda: pl.Series(rng.integers(2, size=rows)),
        ItemType.DATE: lambda: pl.Series(rng.integers(_LAST_DAY, size=rows)).cast(pl.Int32).cast(pl.Date),
    }
    return draw[item.type]().alias(item.name)


def drawn_home(directory: Path, contract: DataContract, rng: np.random.Generator) -> Home:
    """Make the home of a department with this contract and a model over all of its items, and no records."""
    home = Home.create(directory, participant_id=DEPARTMENT, role=Role.DEPARTMENT, title=contract.title)
    DepartmentStore.create(home.directory / "data", contract)
    bins = [_bins(item) for item in contract.items]
    block = BinnedBlock(bins, rng.normal(0, 0.2, sum(one.count for one in bins)))
    manifest = canonical_json({"run_id": "drawn"})
    store = ModelStore(home.directory / "models", model_version(manifest))
    with open_database(home).begin() as connection:
        partial_table(home, store.version).replace(connection, [], np.zeros(0, np.int64), absent=0, as_of=0)
    store.write(manifest, {"run_id": "drawn"}, block=block_to_bytes(block))
    return home


def _bins(item: Item) -> FeatureBins:
    if item.type is ItemType.CATEGORY:
        return FeatureBins(name=item.name, kind=FeatureKind.CATEGORY, categories=_GRADES[:-2])
    edges = {
        ItemType.NUMBER: np.geomspace(10, 2_000, 15),
        ItemType.INTEGER: np.arange(2.0, 9.0),
        ItemType.FLAG: np.array([0.5]),
        ItemType.DATE: np.linspace(1_000, _LAST_DAY - 1_000, 15),
    }[item.type]
    return FeatureBins(name=item.name, kind=FeatureKind.NUMBER, edges=tuple(edges.tolist()))
