"""A cohort is the whole book in an order of the run's own; only labelled rows that are not held out are trained on."""

from __future__ import annotations

import numpy as np

from participants.bank.book import BankBook
from simulations.comparison import PooledRun
from simulations.rehearsal import FinishedRun


def test_who_is_trained_on(finished: FinishedRun) -> None:
    pooled = PooledRun(finished.federation, finished.plan.run_id, rounds=finished.rounds)
    for bank, cohort in pooled.cohorts.items():
        book = BankBook(finished.federation.homes[bank] / "data")
        rows = book.rows()
        assert sorted(cohort.enterprise_ids) == sorted(book.enterprise_ids())
        assert cohort.enterprise_ids != book.enterprise_ids(), "a row's place says nothing"
        by_id = dict(zip(rows.enterprise_ids, zip(rows.default, rows.holdout, strict=True), strict=True))
        for name, label, weight, held_out in zip(
            cohort.enterprise_ids, cohort.labels, cohort.weights, cohort.is_held_out, strict=True
        ):
            known, kept_out = by_id[name]
            np.testing.assert_equal(label, known)
            assert held_out == (bool(kept_out) and not np.isnan(known))
            assert (weight > 0) == (not np.isnan(known) and not held_out)
