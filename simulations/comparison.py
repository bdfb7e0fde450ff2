"""What a federated run is compared with: everything pooled in the clear.

Only a simulation can do this: it opens the homes of all participants after a run and puts their columns and labels side
by side, rows in the order of the banks' cohorts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto.identifiers import EnterpriseId, ParticipantId, RunId
from models.block_file import block_from_bytes
from models.metrics import RocCurve, roc_curve
from models.reference import Design, PooledOptimum, minimise_pooled, pooled_xgboost
from models.wire.plan import RunPlan
from participants.bank.binner import own_block, own_codes
from participants.bank.book import BankBook
from participants.bank.cohort import BankCohort
from participants.bank.search import BankSearch
from participants.department.store import DepartmentStore
from participants.home import Home
from participants.records.features import FeatureValues
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.founding import FoundedFederation

Vector = NDArray[np.float64]

BANKS = ParticipantId("banks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well predictions rank the rows held out."""

    roc: RocCurve

    @property
    def auc(self) -> float:
        """The area under the ROC curve."""
        return self.roc.auc

    @property
    def ks(self) -> float:
        """Kolmogorov and Smirnov's statistic."""
        return self.roc.ks


class PooledRun:
    """All that the participants of a finished run hold, on one table."""

    def __init__(self, federation: FoundedFederation, run_id: str, *, rounds: int) -> None:
        self._federation = federation
        self.runs = {name: _open(path, run_id) for name, path in federation.homes.items()}
        self.cohorts = {
            bank: BankCohort(self.runs[bank], BankBook(federation.homes[bank] / "data")) for bank in federation.banks
        }
        self._rounds = rounds

    @cached_property
    def labels(self) -> Vector:
        """Labels of all rows, 0 where unknown; `(rows,)`."""
        return np.nan_to_num(self._stack([cohort.labels for cohort in self.cohorts.values()]))

    @cached_property
    def weights(self) -> Vector:
        """Weights in training, `(rows,)`."""
        return self._stack([cohort.weights for cohort in self.cohorts.values()])

    @cached_property
    def held_out(self) -> NDArray[np.bool_]:
        """Rows held out, `(rows,)`."""
        return np.concatenate([cohort.is_held_out for cohort in self.cohorts.values()])

    @cached_property
    def bank_of_row(self) -> NDArray[np.int64]:
        """Which bank's cohort each row is of, `(rows,)`."""
        return np.repeat(np.arange(len(self.cohorts)), [len(cohort.labels) for cohort in self.cohorts.values()])

    @cached_property
    def federated_log_odds(self) -> Vector:
        """The log-odds that the banks reached, `(rows,)`."""
        return self._stack([self.search_of(bank).log_odds() for bank in self.cohorts])

    def search_of(self, bank: ParticipantId) -> BankSearch:
        """The search as it stands at a bank after the last round."""
        cohort = self.cohorts[bank]
        search = BankSearch(self.runs[bank].store, np.nan_to_num(cohort.labels), cohort.weights)
        search.go_to(self._rounds)
        return search

    @cached_property
    def designs(self) -> dict[ParticipantId, Design]:
        """Columns and penalty of each block; that of the banks is one."""
        designs = {department: self._department_design(department) for department in self._federation.departments}
        blocks = {bank: own_block(self.runs[bank]) for bank in self._federation.banks}
        columns = [block.columns(own_codes(self.runs[bank])) for bank, block in blocks.items() if block is not None]
        block = blocks[self._federation.banks[0]]
        if block is not None:
            plan = self.plan
            designs[BANKS] = Design(
                columns=np.concatenate(columns), penalty=block.penalty_matrix(plan.smoothness, plan.ridge)
            )
        return designs

    def optimum(self) -> PooledOptimum:
        """The exact optimum of the same objective on the pooled columns."""
        return minimise_pooled(tuple(self.designs.values()), self.labels, self.weights)

    def quality(self, predictions: Vector) -> Quality:
        """AUC and KS of predictions `(rows,)` of default on the rows held out."""
        return _quality(self.labels[self.held_out], predictions[self.held_out])

    def alone(self) -> dict[ParticipantId, Vector]:
        """Log-odds `(rows,)` that each block reaches alone, with everybody's labels."""
        log_odds = {}
        for name, design in self.designs.items():
            optimum = minimise_pooled([design], self.labels, self.weights)
            log_odds[name] = optimum.log_odds([design.columns])
        return log_odds

    def banks_alone(self) -> dict[ParticipantId, tuple[Quality, Quality]]:
        """What each bank reaches alone on its own borrowers held out, and what the federation does on the same.

        Banks without features, or with too few borrowers of either kind to say, are left out.
        """
        if BANKS not in self.designs:
            return {}
        design = self.designs[BANKS]
        qualities = {}
        for index, bank in enumerate(self.cohorts):
            mine = self.bank_of_row == index
            weights = np.where(mine, self.weights, 0.0)
            held_out = self.held_out & mine
            if min(_both(self.labels[weights > 0]), _both(self.labels[held_out])) == 0:
                continue
            predictions = minimise_pooled([design], self.labels, weights).log_odds([design.columns[held_out]])
            qualities[bank] = (
                _quality(self.labels[held_out], predictions),
                _quality(self.labels[held_out], self.federated_log_odds[held_out]),
            )
        return qualities

    def xgboost(self, *, seed: int) -> Vector:
        """Log-odds `(rows,)` of boosted trees on all raw features: neither additive nor private."""
        # Cohorts are in a new random order in each run; trees on samples of rows want one that stays.
        order = np.argsort(np.array(self._enterprise_ids()), kind="stable")
        features, labels, training = self._raw_features()[order], self.labels[order], self.weights[order] > 0
        predictions = np.empty(len(order))
        predictions[order] = pooled_xgboost(features, labels, training, seed=seed, threads=2)
        return predictions

    def _enterprise_ids(self) -> list[EnterpriseId]:
        return [enterprise for cohort in self.cohorts.values() for enterprise in cohort.enterprise_ids]

    def _raw_features(self) -> Vector:
        ids = [enterprise for cohort in self.cohorts.values() for enterprise in cohort.enterprise_ids]
        columns = [
            column
            for department in self._federation.departments
            for column in _numbers(DepartmentStore(self._federation.homes[department] / "data").features(ids))
        ]
        features = [cohort.features() for cohort in self.cohorts.values()]
        own = {name: [one[name] for one in features] for name in features[0]}
        columns.extend(column for parts in own.values() for column in _numbers({"": _joined(parts)}))
        return np.column_stack(columns)

    def _department_design(self, department: ParticipantId) -> Design:
        run, plan = self.runs[department], self.plan
        block = block_from_bytes(run.store.read_bytes("block"))
        codes: list[NDArray[Any]] = [run.store.read_arrays(f"codes/{bank}")["codes"] for bank in self.cohorts]
        return Design(
            columns=block.columns(np.concatenate(codes)), penalty=block.penalty_matrix(plan.smoothness, plan.ridge)
        )

    @property
    def plan(self) -> RunPlan:
        """The run's plan."""
        return self.runs[self._federation.banks[0]].plan

    @staticmethod
    def _stack(parts: list[Vector]) -> Vector:
        return np.concatenate(parts)


def _open(home: Any, run_id: str) -> Run:
    opened = Home.open(home)
    return Run(opened, opened.identity(), FileLedger(home / "ledger"), RunId(run_id))


def _quality(labels: Vector, predictions: Vector) -> Quality:
    return Quality(roc=roc_curve(labels, predictions))


def _both(labels: Vector) -> int:
    """How many of the rarer outcome there are."""
    return int(min((labels == 0).sum(), (labels == 1).sum()))


def _joined(parts: list[FeatureValues]) -> FeatureValues:
    """One feature of several banks, one after the other."""
    if any(isinstance(part, list) for part in parts):
        return [None if value is None else str(value) for part in parts for value in part]
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])


def _numbers(features: Mapping[str, FeatureValues]) -> list[Vector]:
    """Features as columns of numbers: the commonest categories become indicators."""
    columns: list[Vector] = []
    for values in features.values():
        if not isinstance(values, list):
            columns.append(values)
            continue
        names, counts = np.unique([str(value) for value in values], return_counts=True)
        common = names[np.argsort(-counts, kind="stable")[:32]]
        texts = np.array([str(value) for value in values])
        columns.extend((texts == name).astype(np.float64) for name in common)
    return columns
