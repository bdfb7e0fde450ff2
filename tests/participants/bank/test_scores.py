"""Scores of many: what a bank opens is what the model gives, to the rounding of the partials."""

from __future__ import annotations

import stat

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from crypto.lattice.parameters import ADDITION
from models.points import PointsScale
from models.wire.scoring import PARTIAL_FRACTION_BITS
from participants.bank.scores import signed_partials
from participants.model_store import model_version
from simulations.comparison import PooledRun
from simulations.rehearsal import FinishedRun

HALF = 1 << (ADDITION.plain_modulus_bits - 1)


@given(st.lists(st.integers(-HALF, HALF - 1), min_size=1, max_size=20))
def test_sums_are_read_with_their_sign(numbers: list[int]) -> None:
    words = np.array([number % (2 * HALF) for number in numbers], dtype=np.uint64)
    assert (signed_partials(words) * 2.0**PARTIAL_FRACTION_BITS).tolist() == numbers


def test_every_applicants_score_is_what_training_reached(finished: FinishedRun) -> None:
    pooled = PooledRun(finished.federation, finished.plan.run_id, rounds=finished.rounds)
    version = model_version(finished.result["manifest"].encode())
    for bank, cohort in pooled.cohorts.items():
        files = list((finished.federation.homes[bank] / "scores").glob(f"{version}-*.parquet"))
        assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600]
        scores = pl.read_parquet(files[0])
        applicants = cohort.weights == 0
        expected = pooled.search_of(bank).log_odds()[applicants]
        ids = np.array(cohort.enterprise_ids)[applicants].tolist()
        assert scores["enterprise_id"].to_list() == ids
        assert len(ids) == finished.result["scores"][bank]
        rounding = (len(finished.plan.departments) + 1) * 2.0**-PARTIAL_FRACTION_BITS
        np.testing.assert_allclose(scores["log_odds_default"], expected, rtol=0, atol=rounding + 1e-8)
        np.testing.assert_array_equal(scores["score"], PointsScale().points(scores["log_odds_default"].to_numpy()))
        assert scores["probability_of_default"].is_between(0, 1).all()
