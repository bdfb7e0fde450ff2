"""Two public data sets, cut into the departments and banks that could have held their columns.

Neither is the project's to redistribute; the loaders read them where they are. The rows that are held out are the
same for every use: 30 % of all rows, stratified by label, seed 42. The enterprise ids are synthetic, valid, and depend
on the row's place in the file alone.

SBA: small-business loans of the U.S. Small Business Administration's guaranty programme (a part of the national file of
Li, Mickel and Taylor, "Should This Loan be Approved or Denied?", Journal of Statistics Education 2018). Default is
`MIS_Status` = CHGOFF; rows without a status are dropped. `Term`, `ChgOffDate`, `ChgOffPrinGr` and `DisbursementDate`
are left out, since they are known, or chosen, only with the outcome.

UCI: "default of credit card clients" (Yeh and Lien 2009), 30,000 card holders in Taiwan.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.model_selection import train_test_split

from crypto.identifiers import ParticipantId
from models.enterprise_id import numbered_enterprise_ids
from participants.errors import TableRefused
from participants.records.contract import KEY_COLUMN, Category, DataContract, Item, ItemType, UpdateFrequency
from participants.records.data_file import TableLimits
from participants.records.text_table import read_text_table
from simulations.errors import DatasetUnusable
from simulations.federation_data import BankData, DepartmentData, FederationData

HOLDOUT_SHARE: Final = 0.3
HOLDOUT_SEED: Final = 42
_SEED: Final = 42
_ADVICE: Final = "name the file with --file; the README says where it comes from"
_SBA_LARGEST_LENDERS: Final = 8
_UCI_BANKS: Final = 2

_NUMBER, _INTEGER, _CATEGORY = ItemType.NUMBER, ItemType.INTEGER, ItemType.CATEGORY
_AT_APPLICATION: Final = UpdateFrequency.ON_CHANGE
_MONTHLY: Final = UpdateFrequency.MONTHLY


def load_sba(path: Path) -> FederationData:
    """Return the SBA loans as four departments and nine banks: the eight largest lenders and all others as one.

    `DatasetUnusable` when the file is not there or is another one.
    """
    raw = _read(path, _SBA_COLUMNS).filter(pl.col("MIS_Status").is_in(["CHGOFF", "P I F"]))
    frame = raw.select(
        pl.Series(KEY_COLUMN, numbered_enterprise_ids(np.arange(raw.height))),
        (pl.col("MIS_Status") == "CHGOFF").cast(pl.Int8).alias("default"),
        *_SBA_FEATURES,
        pl.col("Bank").fill_null("").alias("lender"),
    )
    frame = _with_holdout(path, frame)
    ranked = frame["lender"].value_counts().sort(["count", "lender"], descending=[True, False])["lender"]
    largest = ranked.head(_SBA_LARGEST_LENDERS).to_list()
    lender = frame["lender"].to_numpy()
    clients = {_slug(name): (name.title(), lender == name) for name in largest}
    clients["other-lenders"] = ("All other lenders", ~np.isin(lender, largest))
    return _federation(("sba", "Small-business loans (SBA)"), frame, _SBA_DEPARTMENTS, clients, _SBA_BANK_ITEMS)


def load_uci(path: Path) -> FederationData:
    """Return the UCI card holders as four departments and two banks without features of their own.

    `DatasetUnusable` when the file is not there or is another one.
    """
    raw = _read(path, _UCI_COLUMNS)
    features = [item for _, items in _UCI_DEPARTMENTS.values() for item in items]
    frame = raw.select(
        pl.Series(KEY_COLUMN, numbered_enterprise_ids(np.arange(raw.height))),
        pl.col(_UCI_LABEL).cast(pl.Int8, strict=False).alias("default"),
        *(pl.col(one.name) if one.type is _CATEGORY else _amount(one.name) for one in features),
    )
    frame = _with_holdout(path, frame)
    bank = np.random.default_rng(_SEED).integers(_UCI_BANKS, size=frame.height)
    clients = {f"bank-{index + 1}": (f"Bank {index + 1}", bank == index) for index in range(_UCI_BANKS)}
    return _federation(("uci", "Default of credit card clients (UCI)"), frame, _UCI_DEPARTMENTS, clients, ())


def _read(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    try:
        frame = read_text_table(path, TableLimits())
    except TableRefused as error:
        raise DatasetUnusable(error.message, advice=_ADVICE) from error
    if missing := [name for name in columns if name not in frame.columns]:
        raise DatasetUnusable(f"{path.name} has no column {missing[0]}; it is another data set", advice=_ADVICE)
    return frame


def _amount(name: str) -> pl.Expr:
    """Read a number that may be written as money: "$60,000.00"."""
    return pl.col(name).str.replace_all(r"[$,\s]", "").cast(pl.Float64, strict=False)


def _one_of(name: str, *values: str) -> pl.Expr:
    return pl.when(pl.col(name).is_in(values)).then(pl.col(name)).alias(name)


def _with_holdout(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    labels = frame["default"]
    counts = labels.value_counts()["count"]
    if labels.null_count() or set(labels.unique()) != {0, 1} or counts.min() < 10:  # type: ignore[operator]
        raise DatasetUnusable(f"{path.name} has too few rows, or labels that are not 0 and 1", advice=_ADVICE)
    _, held_out = train_test_split(
        np.arange(frame.height), test_size=HOLDOUT_SHARE, stratify=labels.to_numpy(), random_state=HOLDOUT_SEED
    )
    flags = np.zeros(frame.height, dtype=np.int8)
    flags[held_out] = 1
    return frame.with_columns(pl.Series("holdout", flags), pl.lit(1.0).alias("weight"))


_REASONS: Final = {
    "market-regulation": "RG1",
    "human-resources": "SS2",
    "guarantee-office": "LN1",
    "repayment-status": "LN2",
    "bills": "LN1",
    "payments": "LN2",
}
"""The reason family of a department's features; of the others', the general one."""

_Departments = Mapping[str, tuple[str, Sequence[Item]]]
_Clients = Mapping[str, tuple[str, npt.NDArray[np.bool_]]]


def _federation(
    names: tuple[str, str], frame: pl.DataFrame, departments: _Departments, clients: _Clients, own: Sequence[Item]
) -> FederationData:
    name, title = names
    rng = np.random.default_rng(_SEED)
    every = [*own, *(item for _, items in departments.values() for item in items)]
    frame = frame.with_columns(pl.col(item.name).cast(pl.Int64) for item in every if item.type is _INTEGER)
    held = []
    for identifier, (heading, items) in departments.items():
        columns = frame.select(KEY_COLUMN, *(item.name for item in items))
        held.append(
            DepartmentData(
                participant_id=ParticipantId(identifier),
                title=heading,
                contract=_contract(identifier, heading, items),
                table=columns[rng.permutation(frame.height)],
            )
        )
    banks = []
    for identifier, (heading, mine) in clients.items():
        book = frame.filter(mine).select(KEY_COLUMN, "default", "weight", "holdout", *(item.name for item in own))
        banks.append(
            BankData(
                participant_id=ParticipantId(identifier),
                title=heading,
                contract=_contract(identifier, heading, own),
                table=book[rng.permutation(book.height)],
            )
        )
    return FederationData(name=name, title=title, departments=tuple(held), banks=tuple(banks))


def _contract(identifier: str, heading: str, items: Sequence[Item]) -> DataContract:
    records = Category(name="records", title=heading, items=tuple(items), reason=_REASONS.get(identifier, ""))
    categories = (records,) if items else ()
    return DataContract(holder=ParticipantId(identifier), title=heading, categories=categories)


def _slug(name: str) -> str:
    words = "".join(character if character.isalnum() else " " for character in name.lower().replace(".", "")).split()
    return "-".join(word for word in words if word not in {"natl", "national", "assoc", "association"})[:40].strip("-")


def _item(name: str, title: str, kind: ItemType, unit: str = "", *, allowed: Sequence[str] = ()) -> Item:
    return Item(
        name=name,
        title=title,
        type=kind,
        unit=unit,
        update_frequency=_AT_APPLICATION,
        minimum=None if kind is _CATEGORY else 0.0,
        allowed=tuple(allowed),
        feature=True,
    )


# fmt: off
_SBA_COLUMNS: Final = (
    "Bank", "BankState", "State", "Zip", "NAICS", "ApprovalFY", "NoEmp", "NewExist", "CreateJob", "RetainedJob",
    "FranchiseCode", "UrbanRural", "RevLineCr", "LowDoc", "DisbursementGross", "MIS_Status", "GrAppv", "SBA_Appv",
)
# fmt: on
_SBA_FEATURES: Final = (
    _one_of("NewExist", "1", "2"),
    pl.col("FranchiseCode"),
    pl.when(pl.col("NAICS").str.len_chars() == 6).then(pl.col("NAICS").str.slice(0, 2)).alias("NaicsSector"),
    pl.col("State"),
    *(_amount(name) for name in ("NoEmp", "CreateJob", "RetainedJob")),
    _one_of("UrbanRural", "0", "1", "2"),
    pl.col("Zip").str.zfill(5).str.slice(0, 3).alias("Zip3"),
    _one_of("LowDoc", "Y", "N"),
    (_amount("SBA_Appv") / _amount("GrAppv")).alias("GuaranteedShare"),
    pl.col("ApprovalFY").str.slice(0, 4).cast(pl.Float64, strict=False),
    _amount("GrAppv"),
    _amount("DisbursementGross"),
    _one_of("RevLineCr", "Y", "N", "0", "T"),
    pl.when(pl.col("BankState") == pl.col("State")).then(pl.lit("yes")).otherwise(pl.lit("no")).alias("SameState"),
)
_SBA_DEPARTMENTS: Final[_Departments] = {
    "market-regulation": (
        "Market regulation 市场监督管理",
        (
            _item("NewExist", "Existing (1) or new (2) business", _CATEGORY, allowed=("1", "2")),
            _item("FranchiseCode", "Franchise (0 and 1: none)", _CATEGORY),
            _item("NaicsSector", "Sector (first two digits of NAICS)", _CATEGORY),
            _item("State", "State of the business", _CATEGORY),
        ),
    ),
    "human-resources": (
        "Human resources and social security 人力资源和社会保障",
        (
            _item("NoEmp", "Employees", _INTEGER, "persons"),
            _item("CreateJob", "Jobs to be created", _INTEGER, "persons"),
            _item("RetainedJob", "Jobs retained", _INTEGER, "persons"),
        ),
    ),
    "land": (
        "Land 规划和自然资源",
        (
            _item("UrbanRural", "Urban (1), rural (2), unknown (0)", _CATEGORY, allowed=("0", "1", "2")),
            _item("Zip3", "First three digits of the postal code", _CATEGORY),
        ),
    ),
    "guarantee-office": (
        "Guarantee office 融资担保",
        (
            _item("LowDoc", "Short application for small loans", _CATEGORY, allowed=("Y", "N")),
            _item("GuaranteedShare", "Share of the loan that is guaranteed", _NUMBER, "1"),
            _item("ApprovalFY", "Fiscal year of the approval", _INTEGER, "year"),
        ),
    ),
}
_SBA_BANK_ITEMS: Final = (
    _item("GrAppv", "Loan approved", _NUMBER, "USD"),
    _item("DisbursementGross", "Loan paid out", _NUMBER, "USD"),
    _item("RevLineCr", "Revolving line of credit", _CATEGORY, allowed=("Y", "N", "0", "T")),
    _item("SameState", "Borrower and bank are in one state", _CATEGORY, allowed=("yes", "no")),
)

_UCI_LABEL: Final = "default.payment.next.month"


def _uci_item(name: str, title: str, kind: ItemType, unit: str = "") -> Item:
    return Item(name=name, title=title, type=kind, unit=unit, update_frequency=_MONTHLY, feature=True)


_UCI_MONTHS: Final = ("September", "August", "July", "June", "May", "April")
_UCI_DEPARTMENTS: Final[_Departments] = {
    "profile": (
        "Profile",
        (
            _uci_item("LIMIT_BAL", "Credit limit", _NUMBER, "NT$"),
            _uci_item("SEX", "Sex", _CATEGORY),
            _uci_item("EDUCATION", "Education", _CATEGORY),
            _uci_item("MARRIAGE", "Marital status", _CATEGORY),
            _uci_item("AGE", "Age", _INTEGER, "years"),
        ),
    ),
    "repayment-status": (
        "Repayment status",
        tuple(
            _uci_item(f"PAY_{number}", f"Months of delay in {month} 2005 (-2, -1, 0: none)", _INTEGER, "months")
            for number, month in zip((0, 2, 3, 4, 5, 6), _UCI_MONTHS, strict=True)
        ),
    ),
    "bills": (
        "Bills",
        tuple(
            _uci_item(f"BILL_AMT{number}", f"Bill of {month} 2005", _NUMBER, "NT$")
            for number, month in enumerate(_UCI_MONTHS, start=1)
        ),
    ),
    "payments": (
        "Payments",
        tuple(
            _uci_item(f"PAY_AMT{number}", f"Paid in {month} 2005", _NUMBER, "NT$")
            for number, month in enumerate(_UCI_MONTHS, start=1)
        ),
    ),
}
_UCI_COLUMNS: Final = (_UCI_LABEL, *(item.name for _, items in _UCI_DEPARTMENTS.values() for item in items))
