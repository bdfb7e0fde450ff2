"""The banks cut the features that they share, and learn their common base rate and curvature, by masked sums.

Numbers are counted in fixed public cells about an eighth wide and cut at the quantiles of the summed counts;
categories, which the contract must list, are counted by name. What each party learns stands in
`participants/bank/group.py`: a bank sees sums over banks, the bureau uniform words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crypto.fixed_point import Words, from_fixed_point, to_fixed_point
from models.additive import BinnedBlock
from models.feature_bins import FeatureBins
from models.shared_binning import (
    HISTOGRAM_LENGTH,
    category_bins_from_histogram,
    category_histogram,
    numeric_bins_from_histogram,
    value_histogram,
)
from models.wire.binning import MaskedWords, SummedWords
from models.wire.steps import Purpose
from participants.bank.cohort import BankCohort
from participants.bank.group import COUNT_WORDS, BankGroup
from participants.records.contract import DataContract, Item
from participants.records.features import FeatureValues
from participants.runs.run import Run

Vector = NDArray[np.float64]

WEIGHT_FRACTION_BITS = 28  # of sums of weights, which may be fractions


@dataclass(frozen=True, slots=True, kw_only=True)
class BankTotals:
    """Sums over all banks: of the bank block's columns, and of the weights and the number of rows trained on."""

    gram: NDArray[np.float64]  # (parameters, parameters) = X^T X over all rows
    column_sums: Vector  # (parameters,)
    training_weight: float
    default_weight: float
    training_rows: int

    def base_rate(self) -> float:
        """Share of defaults in the weight that is trained on."""
        return self.default_weight / self.training_weight


class BankBinner:
    """Cuts and encodes the bank's own features."""

    def __init__(self, run: Run, contract: DataContract, cohort: BankCohort) -> None:
        self._run = run
        self._items = contract.features
        self._cohort = cohort
        self._group = BankGroup(run)

    def count(self) -> MaskedWords:
        """This bank's share of the histograms of its features."""
        values = self._cohort.features()
        counts = [self._histogram(item, values[item.name]) for item in self._items]
        words = np.concatenate([np.zeros(0, dtype=np.uint64), *counts])
        return MaskedWords(words=self._group.share(self._run.setup_turn(), Purpose.HISTOGRAM, words))

    def cut(self, request: SummedWords) -> MaskedWords:
        """Cut at the summed histograms' quantiles, once a run; answer with the share of curvature, rows, defaults."""
        lengths = [len(item.allowed) if item.allowed else HISTOGRAM_LENGTH for item in self._items]
        turn = self._run.setup_turn()
        total = self._group.total(turn, Purpose.HISTOGRAM, request.words, sum(lengths))
        counts = np.split(total, np.cumsum(lengths)[:-1]) if lengths else []
        features = [self._bins(item, histogram) for item, histogram in zip(self._items, counts, strict=True)]
        values = self._cohort.features()
        codes = np.column_stack(
            [bins.encode(values[bins.name]) for bins in features] or [np.zeros((0, 0), dtype=np.uint16)]
        )
        self._run.store.write_facts("bins", {"features": [bins.to_json() for bins in features]})
        self._run.store.write_arrays("codes", {"codes": codes})
        return MaskedWords(words=self._group.share(turn, Purpose.CURVATURE, self._own_totals()))

    def totals(self, summed: bytes) -> BankTotals:
        """The sums over all banks behind the bureau's; raises `PeerError` if their rows were altered on the way."""
        size = own_block_size(self._run)
        turn, sums = self._run.setup_turn(), size * size + size
        words = self._group.total(turn, Purpose.CURVATURE, summed, sums + 2 + COUNT_WORDS)
        numbers = words.astype(np.float64)
        training_weight, default_weight = from_fixed_point(words[sums : sums + 2], WEIGHT_FRACTION_BITS)
        return BankTotals(
            gram=numbers[: size * size].reshape(size, size),
            column_sums=numbers[size * size : sums],
            training_weight=float(training_weight),
            default_weight=float(default_weight),
            training_rows=self._group.checked_count(turn, Purpose.CURVATURE, words[-COUNT_WORDS:]),
        )

    def _own_totals(self) -> Words:
        weights = self._cohort.weights
        defaults = weights[self._cohort.labels == 1]
        sums = to_fixed_point(np.array([weights.sum(), defaults.sum()]), WEIGHT_FRACTION_BITS)
        training_rows = int(np.count_nonzero(weights))
        rows = self._group.counted_words(self._run.setup_turn(), Purpose.CURVATURE, training_rows)
        block = own_block(self._run)
        if block is None:
            return np.concatenate([sums, rows])
        columns = block.columns(own_codes(self._run)).astype(np.float64)
        gram = columns.T @ columns
        return np.concatenate([gram.ravel().astype(np.uint64), columns.sum(axis=0).astype(np.uint64), sums, rows])

    def _histogram(self, item: Item, values: FeatureValues) -> Words:
        return (
            category_histogram(item.name, values, item.allowed) if item.allowed else value_histogram(item.name, values)
        )

    def _bins(self, item: Item, counts: Words) -> FeatureBins:
        """Bins of one feature, an equal share of the block's parameters at most; two are for missing and other."""
        plan = self._run.plan
        most = max(1, min(plan.maximum_bins, plan.parameter_limit // len(self._items) - 2))
        if item.allowed:
            return category_bins_from_histogram(item.name, item.allowed, counts, maximum_bins=most)
        return numeric_bins_from_histogram(item.name, counts, maximum_bins=most)


def own_features(run: Run) -> tuple[FeatureBins, ...]:
    """The bins of the features that banks share; empty if they have none."""
    return tuple(FeatureBins.from_json(facts) for facts in run.store.read_facts("bins")["features"])


def own_block(run: Run) -> BinnedBlock | None:
    """The block that all banks share, its parameters still at zero; None if banks have no features."""
    features = own_features(run)
    return BinnedBlock(features) if features else None


def own_block_size(run: Run) -> int:
    """How many parameters the banks' block has."""
    block = own_block(run)
    return 0 if block is None else block.size


def own_codes(run: Run) -> NDArray[np.uint16]:
    """The cohort's own features as bin codes `(rows, features)`."""
    codes: NDArray[np.uint16] = run.store.read_arrays("codes")["codes"]
    return codes
