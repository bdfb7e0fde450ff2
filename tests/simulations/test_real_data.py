"""The two public data sets: they lie beside the project, are not ours to redistribute, and are skipped where absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulations.benchmarks.training import measure_training
from simulations.command.choices import DataSet
from simulations.settings import SETTINGS, load

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = {DataSet.SBA: DATA / "sba_loans.csv", DataSet.UCI: DATA / "uci_default_credit.csv"}

pytestmark = pytest.mark.skipif(
    not all(path.is_file() for path in FILES.values()), reason="the public data sets are not beside the project"
)


def test_the_loans_are_cut_into_departments_and_banks_by_lender() -> None:
    data = load(DataSet.SBA, FILES[DataSet.SBA])
    assert len(data.departments) == 4
    assert len(data.banks) == 9
    assert sum(len(bank.table) for bank in data.banks) == 22_427 - 119
    columns = {name for member in data.members for name in member.table.columns}
    assert not columns & {"Term", "ChgOffDate", "ChgOffPrinGr", "DisbursementDate", "MIS_Status"}


def test_the_card_holders_are_cut_into_four_departments_and_two_banks() -> None:
    data = load(DataSet.UCI, FILES[DataSet.UCI])
    assert len(data.departments) == 4
    assert len(data.banks) == 2
    assert sum(len(bank.table) for bank in data.banks) == 30_000
    held_out = sum(int(bank.table["holdout"].sum()) for bank in data.banks)
    assert held_out == 9_000


@pytest.mark.parametrize(
    ("data", "auc"), [(DataSet.UCI, 0.770), pytest.param(DataSet.SBA, 0.755, marks=pytest.mark.slow)]
)
def test_the_federation_reaches_the_model_that_pooled_records_would_give(
    data: DataSet, auc: float, tmp_path: Path
) -> None:
    figures = measure_training(load(data, FILES[data]), SETTINGS[data], tmp_path / "federation")
    assert figures["auc"]["federated"] >= auc
    assert round(figures["auc"]["federated"], 4) == round(figures["auc"]["pooled_same_model"], 4)
    assert figures["max_abs_log_odds_difference"] < 1e-3
    assert figures["rounds_to_1e-4"] <= 15
    assert figures["auc"]["federated"] > figures["auc"]["best_single"] + 0.02
