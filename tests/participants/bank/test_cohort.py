"""A cohort is the whole book in an order of the run's own; only labelled rows that are not held out are trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from crypto.errors import ProtocolStateError
from participants.bank.book import BankBook
from participants.bank.cohort import BankCohort
from participants.home import Home
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.comparison import PooledRun
from simulations.founding import FoundedFederation
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


def test_a_book_that_is_replaced_during_a_run_ends_it(
    federation: FoundedFederation, finished: FinishedRun, tmp_path: Path
) -> None:
    bank = federation.banks[0]
    shutil.copytree(federation.homes[bank], tmp_path / "home")
    table = pl.read_parquet(federation.directory / "files" / "banks" / bank / "data.parquet")
    table.with_columns((1 - pl.col("default")).alias("default")).write_parquet(tmp_path / "new.parquet")
    home = Home.open(tmp_path / "home")
    run = Run(home, home.identity(), FileLedger(home.directory / "ledger"), finished.plan.run)
    book = BankBook(home.directory / "data")
    assert len(BankCohort(run, book).labels) == len(table)
    book.import_file(tmp_path / "new.parquet")
    with pytest.raises(ProtocolStateError, match="replaced"):
        _ = BankCohort(run, BankBook(home.directory / "data")).labels
