"""A federation so small that a test trains it in seconds: every type of feature, gaps, absent enterprises and decoys.

A department holds four features, one of each type that a contract knows, of nine enterprises in ten. A bank's book
holds borrowers (three in ten of them held out) and one decoy for every ten; with `bank_features`, also a number
and a category of its own. Whether an enterprise repays depends on something of everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from crypto.identifiers import ParticipantId
from models.enterprise_id import make_enterprise_ids
from participants.records.contract import Category, DataContract, Item, ItemType
from simulations.federation_data import BankData, DepartmentData, FederationData
from simulations.run_federation import Hyperparameters

DEPARTMENTS: Final = ("courts", "land", "power", "tax", "water")
REASONS: Final = {"courts": "CT1", "land": "RE1", "power": "UT1", "tax": "TX1", "water": "UT1"}
"""The reason family of each department's features."""

BANKS: Final = ("bank-east", "bank-north", "bank-west")
SECTORS: Final = ("farming", "trade", "works")
SETTINGS: Final = Hyperparameters(maximum_rounds=3, parameter_limit=14, maximum_bins=4, tolerance=1e-12)
"""A block has 14 parameters at most, so three rounds take 420 rows to train on."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallFederation:
    """How many of each. `weighted`: borrowers count in training by weights from 0.1 to 4 and not by 1.

    `categories`: whether departments have any, which linear blocks cannot take.
    """

    departments: int = 4
    banks: int = 2
    borrowers_per_bank: int = 460
    bank_features: bool = True
    weighted: bool = False
    categories: bool = True
    seed: int = 7

    def make(self) -> FederationData:
        """Return the data that everybody would hold."""
        rng = np.random.default_rng(self.seed)
        clients = self.borrowers_per_bank + self.borrowers_per_bank // 10
        ids = make_enterprise_ids(rng, self.banks * clients + 200)
        health = rng.normal(size=len(ids))
        departments = tuple(self._department(rng, name, ids, health) for name in DEPARTMENTS[: self.departments])
        rows = np.sort(rng.permutation(len(ids))[: self.banks * clients].reshape(self.banks, clients), axis=1)
        banks = tuple(
            self._bank(rng, name, [ids[row] for row in mine], health[mine])
            for name, mine in zip(BANKS[: self.banks], rows, strict=True)
        )
        return FederationData(name="small", title="A small federation", departments=departments, banks=banks)

    def _bank(self, rng: np.random.Generator, name: str, ids: Sequence[str], health: Vector) -> BankData:
        labels: list[int | None] = (rng.random(len(ids)) < 1 / (1 + np.exp(1.2 + 1.5 * health))).astype(int).tolist()
        for row in rng.choice(len(ids), len(ids) - self.borrowers_per_bank, replace=False):
            labels[row] = None
        weights = rng.uniform(0.1, 4.0, len(ids)).round(3) if self.weighted else np.ones(len(ids))
        columns: dict[str, object] = {
            "enterprise_id": ids,
            "default": labels,
            "weight": weights,
            "holdout": (rng.random(len(ids)) < 0.3).astype(int),
        }
        items: tuple[Item, ...] = ()
        if self.bank_features:
            items = (_item("turnover", ItemType.NUMBER), _item("sector", ItemType.CATEGORY, allowed=SECTORS))
            columns["turnover"] = np.exp(rng.normal(size=len(ids)) + 0.5 * health)
            columns["sector"] = _gaps(rng, [SECTORS[choice] for choice in rng.integers(3, size=len(ids))])
        frame = pl.DataFrame(columns, strict=False)
        return BankData(
            participant_id=ParticipantId(name), title=name.title(), contract=_contract(name, items), table=frame
        )

    def _department(self, rng: np.random.Generator, name: str, ids: Sequence[str], health: Vector) -> DepartmentData:
        held = rng.permutation(len(ids))[: len(ids) * 9 // 10]
        state = health[held]
        noise = rng.normal(size=len(held))
        founded = [date(2000, 1, 1) + timedelta(days=int(days)) for days in rng.integers(9000, size=len(held))]
        frame = pl.DataFrame(
            {
                "enterprise_id": [ids[row] for row in held],
                f"{name}_amount": _gaps(rng, (1000 * np.exp(state + noise)).round(7).tolist()),
                f"{name}_grade": _gaps(rng, ["ABC"[grade] for grade in np.digitize(state + noise, [-0.7, 0.7])]),
                f"{name}_arrears": (rng.random(len(held)) < 1 / (1 + np.exp(2 + state))).astype(int),
                f"{name}_since": founded,
            },
            strict=False,
        )
        items = (
            _item(f"{name}_amount", ItemType.NUMBER),
            _item(f"{name}_grade", ItemType.CATEGORY, allowed=("A", "B", "C"), feature=self.categories),
            _item(f"{name}_arrears", ItemType.FLAG),
            _item(f"{name}_since", ItemType.DATE),
        )
        return DepartmentData(
            participant_id=ParticipantId(name), title=name.title(), contract=_contract(name, items), table=frame
        )


def _gaps(rng: np.random.Generator, values: list[float] | list[str]) -> list[float | str | None]:
    return [None if rng.random() < 0.1 else value for value in values]


def _item(name: str, kind: ItemType, *, allowed: tuple[str, ...] = (), feature: bool = True) -> Item:
    return Item(name=name, title=name, type=kind, allowed=allowed, feature=feature)


def _contract(name: str, items: tuple[Item, ...]) -> DataContract:
    categories = (Category(name="facts", title="Facts", items=items, reason=REASONS.get(name, "")),) if items else ()
    return DataContract(holder=ParticipantId(name), title=name.title(), categories=categories)
