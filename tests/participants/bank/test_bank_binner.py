"""What banks learn of each other at the binning: bins, curvature and totals over all of them."""

from __future__ import annotations

import numpy as np
import pytest

from models.wire.training import BeginRequest
from participants.bank.binner import BankBinner, own_features
from participants.bank.book import BankBook
from simulations.comparison import BANKS, PooledRun
from simulations.rehearsal import FinishedRun


def test_every_bank_reads_the_same_sums_over_all_banks(finished: FinishedRun) -> None:
    pooled = PooledRun(finished.federation, finished.plan.run_id, rounds=finished.rounds)
    columns = np.asarray(pooled.designs[BANKS].columns, dtype=np.float64)
    for bank, cohort in pooled.cohorts.items():
        run, book = pooled.runs[bank], BankBook(finished.federation.homes[bank] / "data")
        begin = BeginRequest.decode(run.store.read_bytes("begin"))
        totals = BankBinner(run, book.contract, cohort).totals(begin.totals)
        np.testing.assert_array_equal(totals.gram, columns.T @ columns)
        np.testing.assert_array_equal(totals.column_sums, columns.sum(axis=0))
        assert totals.training_weight == pooled.weights.sum()
        assert totals.default_weight == pooled.weights @ pooled.labels
        assert totals.training_rows == np.count_nonzero(pooled.weights)
        assert totals.base_rate() == pytest.approx(pooled.labels[pooled.weights > 0].mean())
        assert [bins.name for bins in own_features(run)] == ["turnover", "sector"]
    bins = [own_features(pooled.runs[bank]) for bank in pooled.cohorts]
    assert all(one == bins[0] for one in bins)
