import json
from pathlib import Path

import polars as pl

from crypto.identifiers import ParticipantId
from participants.records.contract import DataContract
from simulations.federation_data import BankData, DepartmentData, FederationData

TAX = DataContract(holder=ParticipantId("tax"), title="Tax 税务", categories=())
BANK = DataContract(holder=ParticipantId("bank"), title="Bank", categories=())
DATA = FederationData(
    name="small",
    title="A small federation",
    departments=(
        DepartmentData(
            participant_id=TAX.holder, title=TAX.title, contract=TAX, table=pl.DataFrame({"enterprise_id": ["a"]})
        ),
    ),
    banks=(
        BankData(
            participant_id=BANK.holder,
            title=BANK.title,
            contract=BANK,
            table=pl.DataFrame({"enterprise_id": ["a"], "default": [1]}),
        ),
    ),
)


def test_members_are_departments_then_banks() -> None:
    assert [member.participant_id for member in DATA.members] == ["tax", "bank"]


def test_contracts_tables_and_a_description_are_written(tmp_path: Path) -> None:
    written = DATA.write(tmp_path / "new")
    assert written == {
        "tax": tmp_path / "new/departments/tax/data.csv",
        "bank": tmp_path / "new/banks/bank/data.csv",
    }
    assert DataContract.read(tmp_path / "new/departments/tax/contract.toml") == TAX
    assert pl.read_csv(written[BANK.holder]).equals(DATA.banks[0].table)
    about = json.loads((tmp_path / "new/federation.json").read_text(encoding="utf-8"))
    assert about["departments"] == [{"id": "tax", "title": "Tax 税务"}]


def test_tables_can_be_written_as_parquet(tmp_path: Path) -> None:
    written = DATA.write(tmp_path, table_format="parquet")
    assert pl.read_parquet(written[TAX.holder]).equals(DATA.departments[0].table)
