"""What a department's records show of the enterprises: noisy, skewed, incomplete and of different ages.

`world_features.csv` says of each item in use what it shows:

    z      = sum of loading * factor + noise, of variance about 1
    shape    lognormal   exp(location + scale z)                          amounts; a share `zeros` of them is 0
             normal      location + scale z                               growth rates, points
             share       100 / (1 + exp(-(location + scale z)))           per cent
             count       Poisson with mean exp(location + scale z)
             flag        z above the quantile that makes `location` the share of ones
             category    z cut into the catalogue's values, the first where z is lowest
             sector      the enterprise's sector
             age         the day of its foundation
    missing  the share of missing values; half as many again among small enterprises, half as many among large ones

The factors are those of the month that the item's update frequency lets the department know (see `data_month`), and
part of the noise changes with it. A department knows 70 to 98 % of the enterprises, large ones sooner than small ones.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import ndtri

from crypto.identifiers import ParticipantId
from participants.records.contract import KEY_COLUMN, DataContract, Item, UpdateFrequency
from simulations.catalogue import load_catalogue
from simulations.errors import CatalogueUnusable
from simulations.federation_data import DepartmentData
from simulations.world.economy import SECTORS, Array, Economy
from simulations.world.parameters import WorldParameters

_FEATURE_FILE: Final = Path(__file__).parent.with_name("world_features.csv")
_FIRST_YEAR: Final = 2026
_LASTING_NOISE: Final = 0.6
_LARGEST_COUNT: Final = 100_000
_VALUE_WEIGHTS: Final = (1.0, 2.0, 1.0, 0.6, 0.3, 0.2)
_MONTHS_BETWEEN: Final = {
    UpdateFrequency.MONTHLY: 1,
    UpdateFrequency.QUARTERLY: 3,
    UpdateFrequency.SEMIANNUAL: 6,
    UpdateFrequency.ANNUAL: 12,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """How one item of the catalogue shows the enterprises' factors; see the module."""

    item: Item
    shape: str
    location: float
    scale: float
    zeros: float
    missing: float
    loadings: dict[str, float]


def data_month(frequency: UpdateFrequency, month: int) -> int:
    """Return of which month's state the data are that a department has at the beginning of `month`.

    Data that come daily or on change are of today; those that come for a month, quarter or year are of the last one
    that has ended.
    """
    between = _MONTHS_BETWEEN.get(frequency)
    return month if between is None else between * (month // between) - 1


def month_begins(month: int) -> date:
    """Return the first day of `month`; month 0 is January 2026."""
    return date(_FIRST_YEAR + month // 12, month % 12 + 1, 1)


def department_data(parameters: WorldParameters, economy: Economy, index: int) -> DepartmentData:
    """Return the contract and the records of the catalogue's department number `index` (from 0)."""
    full = load_catalogue().departments[index]
    features = _features()[full.holder]
    contract = _contract(full, {feature.item.name: feature.item for feature in features})
    known = _known(parameters, economy, full.holder)
    columns = [_column(parameters, economy, full.holder, feature) for feature in features]
    ordered = {column.name: column for column in columns}
    table = pl.DataFrame(
        [
            pl.Series(KEY_COLUMN, economy.enterprise_ids),
            pl.Series("as_of", [_as_of(features, parameters.month)]).new_from_index(0, parameters.enterprises),
            *(ordered[item.name] for item in contract.items),
        ]
    )
    return DepartmentData(participant_id=full.holder, title=full.title, contract=contract, table=table[known])


def _as_of(features: Sequence[Feature], month: int) -> date:
    """Return the day that the oldest of the department's data are of."""
    oldest = min(data_month(feature.item.update_frequency, month) for feature in features)
    return month_begins(month) if oldest == month else month_begins(oldest + 1) - timedelta(days=1)


@cache
def _features() -> dict[ParticipantId, tuple[Feature, ...]]:
    catalogue = load_catalogue()
    features: dict[ParticipantId, list[Feature]] = {}
    with _FEATURE_FILE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, strict=True):
            holder = ParticipantId(row["department"])
            item = catalogue.department(holder).item(row["item"])
            features.setdefault(holder, []).append(_feature(item, row))
    if set(features) != {contract.holder for contract in catalogue.departments}:
        raise CatalogueUnusable(f"{_FEATURE_FILE.name} leaves a department of the catalogue without features")
    return {holder: tuple(listed) for holder, listed in features.items()}


def _feature(item: Item, row: dict[str, str]) -> Feature:
    words = row["loadings"].split()
    low, high = _bounds(item, row["shape"])
    allowed = tuple(SECTORS) if row["shape"] == "sector" else item.allowed
    return Feature(
        item=replace(item, minimum=low, maximum=high, allowed=allowed, feature=True),
        shape=row["shape"],
        location=float(row["location"]),
        scale=float(row["scale"]),
        zeros=float(row["zeros"]),
        missing=float(row["missing"]),
        loadings=dict(zip(words[::2], map(float, words[1::2]), strict=True)),
    )


def _bounds(item: Item, shape: str) -> tuple[float | None, float | None]:
    if shape == "share":
        return 0.0, 100.0
    if shape == "count":
        return 0.0, 12.0 if item.unit == "months" else float(_LARGEST_COUNT)
    return (0.0, None) if shape == "lognormal" else (None, None)


def _contract(full: DataContract, used: dict[str, Item]) -> DataContract:
    """Return the department's contract for the items in use alone."""
    categories = [
        replace(category, items=tuple(used[item.name] for item in category.items if item.name in used))
        for category in full.categories
    ]
    return replace(full, categories=tuple(category for category in categories if category.items))


def _known(parameters: WorldParameters, economy: Economy, holder: ParticipantId) -> npt.NDArray[np.int64]:
    """Return the places of the enterprises of which the department has a record, in the order of its register."""
    rng = parameters.generator(f"{holder}/coverage")
    share = rng.uniform(0.72, 0.97)
    eagerness = rng.standard_normal(parameters.enterprises) + 0.4 * economy.constant["size"]
    known = np.flatnonzero(eagerness >= np.quantile(eagerness, 1 - share))
    return rng.permutation(known)


def _column(parameters: WorldParameters, economy: Economy, holder: ParticipantId, feature: Feature) -> pl.Series:
    month = data_month(feature.item.update_frequency, parameters.month)
    purpose = f"{holder}/{feature.item.name}"
    rng = parameters.generator(purpose, month)
    lasting = parameters.generator(purpose).standard_normal(parameters.enterprises)
    noise = np.sqrt(_LASTING_NOISE) * lasting
    noise += np.sqrt(1 - _LASTING_NOISE) * rng.standard_normal(parameters.enterprises)
    loud = np.sqrt(max(0.05, 1 - sum(loading**2 for loading in feature.loadings.values())))
    factors = economy.factors(month)
    z = loud * noise + sum(loading * factors[name] for name, loading in feature.loadings.items())
    values = _values(feature, economy, z, rng)
    missing = parameters.generator(f"{purpose}/missing").random(parameters.enterprises)
    rate = feature.missing * np.where(economy.constant["size"] < 0, 1.5, 0.5)
    return values.set(pl.Series(missing < rate), None).alias(feature.item.name)


def _values(feature: Feature, economy: Economy, z: Array, rng: np.random.Generator) -> pl.Series:
    if feature.shape == "sector":
        return pl.Series(economy.sector.tolist(), dtype=pl.String)
    if feature.shape == "age":
        return _foundation_days(economy)
    if feature.shape == "category":
        return _cut(z, feature.item.allowed)
    if feature.shape == "flag":
        return pl.Series(z > ndtri(1 - feature.location))
    if feature.shape == "count":
        counts = rng.poisson(np.exp(np.minimum(feature.location + feature.scale * z, 11.0)))
        return pl.Series(np.minimum(counts, int(feature.item.maximum or _LARGEST_COUNT)).astype(np.int64))
    return pl.Series(_amounts(feature, z))


def _amounts(feature: Feature, z: Array) -> Array:
    location, scale = feature.location, feature.scale
    threshold = float(ndtri(feature.zeros)) if feature.zeros else 0.0
    match feature.shape:
        case "lognormal":
            amounts = np.exp(location + scale * (z - threshold)).round(2)
        case "share":
            amounts = (100 / (1 + np.exp(-location - scale * z))).round(1)
        case "normal":
            amounts = (location + scale * z).round(1)
        case unknown:
            raise CatalogueUnusable(f"{_FEATURE_FILE.name} has the unknown shape {unknown!r}")
    if feature.zeros:
        amounts[z < threshold] = 0.0
    return amounts


def _foundation_days(economy: Economy) -> pl.Series:
    """Return when each enterprise was founded, the same day in whatever month one looks: (enterprises,) dates."""
    youngest = (month_begins(0) - date(1970, 1, 1)).days - 200
    return pl.Series(youngest - (365.25 * np.exp(1.6 + 0.75 * economy.constant["age"])).astype(np.int32)).cast(pl.Date)


def _cut(z: Array, values: Sequence[str]) -> pl.Series:
    weights = np.array(_VALUE_WEIGHTS[: len(values)])
    edges = ndtri(np.cumsum(weights / weights.sum())[:-1])
    return pl.Series(np.array(values)[np.searchsorted(edges, z)].tolist(), dtype=pl.String)
