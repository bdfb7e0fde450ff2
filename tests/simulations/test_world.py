"""Invariants of every world.

Ids are valid and distinct; nobody has two lenders; labels are at their lender alone; a table keeps its contract; the
same parameters give the same world.
"""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from crypto.identifiers import ParticipantId
from models.enterprise_id import valid_enterprise_ids
from participants.bank.book import BankBook
from participants.department.store import DepartmentStore
from participants.records.contract import ItemType, UpdateFrequency
from simulations.errors import WorldRefused
from simulations.federation_data import FederationData
from simulations.world import WorldParameters, ground_truth, make_world
from simulations.world.economy import make_economy
from simulations.world.records import data_month

SMALL = WorldParameters(enterprises=1500, borrowers_per_bank=300, departments=3)


@pytest.fixture(scope="module")
def world() -> FederationData:
    return make_world()


def borrowers(world: FederationData) -> pl.DataFrame:
    return pl.concat([bank.table for bank in world.banks]).filter(pl.col("default").is_not_null())


def held_out_auc(world: FederationData, tables: list[pl.DataFrame]) -> float:
    """Logistic regression on ranks, with a flag for missing, trained on what is not held out."""
    rows = borrowers(world).select("enterprise_id", "default", "holdout")
    columns = []
    for table in tables:
        joined = rows.join(table.drop("as_of", strict=False), on="enterprise_id", how="left", maintain_order="left")
        for name in joined.columns[3:]:
            column = joined[name]
            dummies = column.to_dummies() if column.dtype == pl.String else None
            if dummies is not None:
                columns += [dummies[each].to_numpy() for each in dummies.columns]
                continue
            values = column.to_physical().cast(pl.Float64)
            ranks = (values.rank() / values.count() - 0.5).fill_null(0.0).to_numpy()
            columns += [ranks, ranks**2, column.is_null().to_numpy()]
    design = np.column_stack(columns).astype(np.float64)
    label, held_out = rows["default"].to_numpy(), rows["holdout"].to_numpy() == 1
    model = LogisticRegression(max_iter=500).fit(design[~held_out], label[~held_out])
    return float(roc_auc_score(label[held_out], model.predict_proba(design[held_out])[:, 1]))


def test_the_default_world_is_made_in_under_three_seconds() -> None:
    start = time.perf_counter()
    world = make_world()
    assert time.perf_counter() - start < 3.0
    assert (len(world.departments), len(world.banks)) == (8, 3)


def test_together_the_participants_know_far_more_than_the_best_of_them_and_less_than_all(
    world: FederationData, record_property: Callable[[str, object], None]
) -> None:
    own = pl.concat([bank.table.drop("default", "weight", "holdout") for bank in world.banks]).unique("enterprise_id")
    everything = [own, *(department.table for department in world.departments)]
    alone = max(held_out_auc(world, [table]) for table in everything)
    together = held_out_auc(world, everything)
    truth = ground_truth(WorldParameters())
    best = float(roc_auc_score(truth.default, truth.log_odds_default))
    record_property("auc_best_possible", round(best, 4))
    record_property("auc_all_participants", round(together, 4))
    record_property("auc_best_single_participant", round(alone, 4))
    assert alone < 0.73
    assert together > 0.79
    assert 0.88 < best < 0.92


def test_ids_are_valid_and_every_borrower_has_one_lender(world: FederationData) -> None:
    rows = borrowers(world)
    assert valid_enterprise_ids(rows["enterprise_id"].to_list()).all()
    assert rows["enterprise_id"].n_unique() == rows.height == 9000
    truth = ground_truth(WorldParameters())
    happened = dict(zip(truth.enterprise_ids, truth.default.tolist(), strict=True))
    assert [happened[key] for key in rows["enterprise_id"]] == rows["default"].cast(pl.Boolean).to_list()


def test_decoys_have_no_label_no_weight_and_are_not_held_out(world: FederationData) -> None:
    for bank in world.banks:
        decoys = bank.table.filter(pl.col("default").is_null())
        assert decoys.height == round(0.08 * (bank.table.height - decoys.height))
        assert decoys["weight"].sum() == 0
        assert decoys["holdout"].sum() == 0
        assert bank.table["enterprise_id"].n_unique() == bank.table.height


def test_thirty_per_cent_of_each_bank_and_label_are_held_out(world: FederationData) -> None:
    for bank in world.banks:
        shares = bank.table.drop_nulls("default").group_by("default").agg(pl.col("holdout").mean())["holdout"]
        assert (shares - 0.3).abs().max() < 0.005  # type: ignore[operator]


def test_banks_differ_in_volume_and_in_whom_they_serve(world: FederationData) -> None:
    sizes = [bank.table.height for bank in world.banks]
    loans = [bank.table["loan_amount"].median() for bank in world.banks]
    defaults = [bank.table["default"].mean() for bank in world.banks]
    assert sizes[0] > 1.5 * sizes[2]
    assert loans[0] > 1.5 * loans[2]  # type: ignore[operator]
    assert defaults[2] > 1.5 * defaults[0]  # type: ignore[operator]


def test_no_department_holds_every_enterprise(world: FederationData) -> None:
    for department in world.departments:
        assert 0.70 < department.table.height / 12_000 < 0.98
        assert 4 <= len(department.contract.features) <= 7


def test_features_of_departments_are_of_the_reason_families_of_the_catalogue(world: FederationData) -> None:
    reasons = {one.participant_id: one.contract.reasons for one in world.departments}
    assert set(reasons[ParticipantId("tax")].values()) == {"TX1", "TX2", "TX3"}
    assert reasons[ParticipantId("human-resources")]["months_in_arrears_12m"] == "SS1"


def test_features_are_skewed_correlated_and_incomplete(world: FederationData) -> None:
    tax = next(one.table for one in world.departments if one.participant_id == "tax")
    staff = next(one.table for one in world.departments if one.participant_id == "human-resources")
    sales = tax["taxable_sales_12m"]
    assert sales.mean() > 2 * sales.median()  # type: ignore[operator]
    assert sales.null_count() > 0
    both = tax.join(staff, on="enterprise_id")
    assert both.select(pl.corr("taxable_sales_12m", "insured_employees", method="spearman")).item() > 0.5
    register = next(one.table for one in world.departments if one.participant_id == "market-regulation")
    assert register["date_of_establishment"].dtype == pl.Date
    assert register["date_of_establishment"].max() < date(2026, 1, 1)  # type: ignore[operator]


def test_the_same_parameters_give_the_same_world_and_another_seed_another() -> None:
    first, second, other = make_world(SMALL), make_world(SMALL), make_world(SMALL, seed=7)
    for one, two, three in zip(first.members, second.members, other.members, strict=True):
        assert one.table.equals(two.table)
        assert not one.table.equals(three.table)


def test_more_departments_do_not_change_those_that_are_there() -> None:
    few, many = make_world(SMALL), make_world(SMALL, departments=26)
    assert len(many.departments) == 26
    for one, two in zip(few.departments, many.departments[:3], strict=True):
        assert one.table.equals(two.table)
    assert all(one.table.equals(two.table) for one, two in zip(few.banks, many.banks, strict=True))


def test_data_age_with_their_update_frequency() -> None:
    assert [data_month(UpdateFrequency.DAILY, month) for month in (0, 5)] == [0, 5]
    assert [data_month(UpdateFrequency.MONTHLY, month) for month in (0, 5)] == [-1, 4]
    assert [data_month(UpdateFrequency.QUARTERLY, month) for month in (0, 2, 3, 5)] == [-1, -1, 2, 2]
    assert [data_month(UpdateFrequency.ANNUAL, month) for month in (0, 11, 12)] == [-1, -1, 11]
    worlds = {month: make_world(SMALL, month=month, departments=1) for month in (3, 4)}
    tables = {month: worlds[month].departments[0].table.sort("enterprise_id") for month in (3, 4)}
    same = [name for name in tables[3].columns if tables[3][name].equals(tables[4][name])]
    assert "employees_stated" in same  # annual
    assert "registered_capital" not in same  # on change
    assert "date_of_establishment" in same
    assert tables[3]["enterprise_id"].equals(tables[4]["enterprise_id"])


def test_an_earlier_state_is_the_same_whenever_one_looks() -> None:
    now, later = make_economy(SMALL), make_economy(WorldParameters(enterprises=1500, borrowers_per_bank=300, month=6))
    assert all(np.array_equal(now.factors(0)[name], values) for name, values in later.factors(0).items())


def test_old_states_say_less_of_what_comes() -> None:
    parameters = WorldParameters(month=12)
    economy, truth = make_economy(parameters), ground_truth(parameters)
    correlations = [
        abs(np.corrcoef(economy.factors(month)["liquidity"], truth.log_odds_default)[0, 1]) for month in (12, 9, 6, 0)
    ]
    assert correlations == sorted(correlations, reverse=True)
    assert correlations[0] > correlations[-1] + 0.1


@pytest.mark.parametrize("table_format", ["csv", "parquet"])
def test_every_participant_can_import_what_the_world_gives_it(tmp_path: Path, table_format: str) -> None:
    world = make_world(SMALL, departments=26)
    paths = world.write(tmp_path / "world", table_format="csv" if table_format == "csv" else "parquet")
    for department in world.departments:
        store = DepartmentStore.create(tmp_path / department.participant_id, department.contract)
        assert store.import_file(paths[department.participant_id]) == department.table.height
        features = store.features(store.enterprise_ids())
        for item in department.contract.features:
            assert isinstance(features[item.name], list) == (item.type is ItemType.CATEGORY)
    for bank in world.banks:
        book = BankBook.create(tmp_path / bank.participant_id, bank.contract)
        book.import_file(paths[bank.participant_id])
        assert np.isnan(book.rows().default).sum() == bank.table["default"].null_count()


@pytest.mark.parametrize(
    "changes",
    [
        {"departments": 27},
        {"departments": 0},
        {"banks": 13},
        {"month": -1},
        {"enterprises": 5_000_000},
        {"banks": 4, "borrowers_per_bank": 3000},
        {"seed": -1},
    ],
)
def test_a_world_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WorldRefused):
        make_world(WorldParameters(**changes))
