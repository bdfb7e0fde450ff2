from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from crypto.errors import YurongError
from models.enterprise_id import valid_enterprise_ids
from participants.records.contract import DataContract
from simulations.datasets import load_sba, load_uci
from simulations.errors import DatasetUnusable
from simulations.federation_data import FederationData

Load = Callable[[Path], FederationData]
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SBA = SHARED / "sba_loans.csv"
UCI = SHARED / "uci_default_credit.csv"
needs_sba = pytest.mark.skipif(not SBA.is_file(), reason="the SBA loans are not on this machine")
needs_uci = pytest.mark.skipif(not UCI.is_file(), reason="the UCI card holders are not on this machine")


def books(data: FederationData) -> pl.DataFrame:
    return pl.concat([bank.table.select("enterprise_id", "default", "weight", "holdout") for bank in data.banks])


@needs_sba
def test_the_sba_loans_become_four_departments_and_nine_banks() -> None:
    data = load_sba(SBA)
    assert [one.participant_id for one in data.departments] == [
        "market-regulation",
        "human-resources",
        "land",
        "guarantee-office",
    ]
    sizes = [bank.table.height for bank in data.banks]
    assert len(sizes) == 9
    assert sizes[:8] == sorted(sizes[:8], reverse=True)
    assert sum(sizes) == 22_308
    assert sum(one.table.width - 1 for one in data.departments) == 13 - 1
    assert [item.name for item in data.banks[0].contract.features] == [
        "GrAppv",
        "DisbursementGross",
        "RevLineCr",
        "SameState",
    ]


@needs_sba
def test_nothing_known_only_after_the_loan_is_in_the_sba_tables() -> None:
    data = load_sba(SBA)
    columns = {name for member in data.members for name in member.table.columns}
    assert columns.isdisjoint({"Term", "ChgOffDate", "ChgOffPrinGr", "DisbursementDate", "MIS_Status", "Name"})


@needs_uci
def test_the_uci_card_holders_become_four_departments_and_two_banks() -> None:
    data = load_uci(UCI)
    assert [one.table.width - 1 for one in data.departments] == [5, 6, 6, 6]
    assert all(one.table.height == 30_000 for one in data.departments)
    assert [bank.contract.features for bank in data.banks] == [(), ()]
    assert [sorted(set(one.contract.reasons.values())) for one in data.departments] == [
        ["GE1"],
        ["LN2"],
        ["LN1"],
        ["LN2"],
    ]
    assert books(data)["default"].sum() == 6_636


@pytest.mark.parametrize(
    ("load", "path"),
    [pytest.param(load_sba, SBA, marks=needs_sba), pytest.param(load_uci, UCI, marks=needs_uci)],
)
def test_thirty_per_cent_are_held_out_stratified_and_always_the_same(load: Load, path: Path) -> None:
    rows = books(load(path))
    assert rows["enterprise_id"].n_unique() == rows.height
    assert valid_enterprise_ids(rows["enterprise_id"].to_list()).all()
    assert abs(rows["holdout"].mean() - 0.3) < 1e-4  # type: ignore[operator]
    shares = rows.group_by("holdout").agg(pl.col("default").mean()).sort("holdout")["default"]
    assert abs(shares[0] - shares[1]) < 1e-4
    again = books(load(path))
    assert again.equals(rows)


@needs_sba
def test_written_contracts_and_tables_are_read_back(tmp_path: Path) -> None:
    data = load_sba(SBA)
    paths = data.write(tmp_path)
    assert len(paths) == 13
    for member in data.members:
        assert DataContract.read(paths[member.participant_id].parent / "contract.toml") == member.contract
        assert pl.read_csv(paths[member.participant_id]).height == member.table.height


@pytest.mark.parametrize("load", [load_sba, load_uci])
def test_a_file_that_is_not_the_data_set_is_one_clear_error(load: Load, tmp_path: Path) -> None:
    for name, content in {"empty": b"", "other": b"a,b\n1,2\n", "binary": b"\x00\x01", "ragged": b"a,b\n1\n"}.items():
        (tmp_path / name).write_bytes(content)
    for name in ("missing", "empty", "other", "binary", "ragged", "."):
        with pytest.raises(DatasetUnusable) as caught:
            load(tmp_path / name)
        assert isinstance(caught.value, YurongError)
        assert "\n" not in caught.value.message
        assert caught.value.advice


def test_money_text_is_read_as_a_number(tmp_path: Path) -> None:
    header = (
        "Bank,BankState,State,Zip,NAICS,ApprovalFY,NoEmp,NewExist,CreateJob,RetainedJob,FranchiseCode,UrbanRural,"
        "RevLineCr,LowDoc,DisbursementGross,MIS_Status,GrAppv,SBA_Appv"
    )
    row = 'BANK {i},OH,OH,501,451120,1976A,4,2,0,0,1,0,N,Y,"$60,000.00 ",{status},"$80,000.00 ","$40,000.00 "'
    rows = [row.format(i=i % 3, status="CHGOFF" if i % 4 == 0 else "P I F") for i in range(60)]
    path = tmp_path / "loans.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    data = load_sba(path)
    assert data.banks[0].table["DisbursementGross"].unique().to_list() == [60_000.0]
    guarantee = data.departments[3].table
    assert guarantee["GuaranteedShare"].unique().to_list() == [0.5]
    assert guarantee["ApprovalFY"].unique().to_list() == [1976]
    assert data.departments[2].table["Zip3"].unique().to_list() == ["005"]
