import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import YurongError
from crypto.identifiers import ParticipantId
from models.reasons.families import packaged_families
from participants.errors import ContractRefused
from participants.records.contract import Category, DataContract, Item, ItemType, UpdateFrequency

GOOD = """
holder = "tax"
title = "Taxation 税务"

[[category]]
name = "vat"
title = "VAT 增值税"

[[category.item]]
name = "sales"
title = "Sales"
type = "number"
unit = "CNY 10k"
update_frequency = "monthly"
description = "Sales on which VAT was declared."
minimum = 0
feature = true

[[category.item]]
name = "grade"
title = "Grade"
type = "category"
update_frequency = "annual"
allowed = ["A", "B"]
"""


def test_a_contract_is_read_with_its_types_and_bounds() -> None:
    contract = DataContract.from_toml(GOOD)
    assert contract.holder == "tax"
    assert [item.name for item in contract.items] == ["sales", "grade"]
    assert [item.name for item in contract.features] == ["sales"]
    assert contract.item("sales").minimum == 0.0
    assert contract.item("grade").allowed == ("A", "B")
    assert contract.item("grade").update_frequency is UpdateFrequency.ANNUAL
    assert [item.name for item in contract.with_features(frozenset({"grade"})).features] == ["grade"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('holder = "tax"', 'holder = "Tax Office"', "participant id"),
        ('holder = "tax"', "", "holder"),
        ('type = "number"', 'type = "amount"', "none of number"),
        ('update_frequency = "annual"', "", "update_frequency"),
        ("minimum = 0", 'minimum = "0"', "finite number"),
        ("minimum = 0", "minimum = inf", "finite number"),
        ("minimum = 0", "minimum = 5\nmaximum = 4", "minimum above"),
        ("minimum = 0", 'allowed = ["A"]', "not a category"),
        ("minimum = 0", "colour = 1", "unknown key 'colour'"),
        ("minimum = 0", 'reason = "ZZ9"', "item sales names a reason family"),
        ("minimum = 0", "reason = 1", "no text 'reason'"),
        ('title = "VAT 增值税"', 'title = "VAT"\nreason = "vat"', "category vat names a reason family"),
        ("feature = true", 'feature = "yes"', "neither true nor false"),
        ('allowed = ["A", "B"]', 'allowed = ["A", "A"]', "repeats"),
        ('allowed = ["A", "B"]', "allowed = [1]", "list of texts"),
        ('allowed = ["A", "B"]', "minimum = 1", "not numeric"),
        ('name = "grade"', 'name = "sales"', "two of the item sales"),
        ('name = "grade"', 'name = "default"', "kept for the table"),
        ('name = "grade"', 'name = "2grade"', "a letter first"),
        ("[[category]]", "[category]", "list of tables"),
        ("GOOD", "GOOD", "not TOML"),
    ],
)
def test_a_contract_that_is_wrong_is_refused_with_the_place(old: str, new: str, what: str) -> None:
    text = "= = =" if old == "GOOD" else GOOD.replace(old, new, 1)
    with pytest.raises(ContractRefused, match=what) as caught:
        DataContract.from_toml(text)
    assert "\n" not in caught.value.message


def test_an_item_is_of_its_own_reason_family_or_of_its_categorys_or_of_the_general_one() -> None:
    assert DataContract.from_toml(GOOD).reasons == {"sales": "GE1", "grade": "GE1"}
    own = GOOD.replace("minimum = 0", 'reason = "TX1"')
    assert DataContract.from_toml(own).reasons == {"sales": "TX1", "grade": "GE1"}
    both = own.replace('title = "VAT 增值税"', 'title = "VAT 增值税"\nreason = "TX3"')
    contract = DataContract.from_toml(both)
    assert contract.reasons == {"sales": "TX1", "grade": "TX3"}
    assert contract.with_features(frozenset({"grade"})).reasons == contract.reasons


def test_the_families_in_the_documentation_are_those_of_the_list() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "data-contract.md").read_text(encoding="utf-8")
    rows = [f"| `{family.code}` | {family.en} | {family.zh} |" for family in packaged_families().families]
    assert [line for line in page.splitlines() if re.match(r"\| `[A-Z]{2}\d` \|", line)] == rows


def test_the_contract_in_the_documentation_is_one() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "data-contract.md").read_text(encoding="utf-8")
    contract = DataContract.from_toml(page.split("```toml\n")[1].split("```")[0])
    assert [item.name for item in contract.features] == ["late_filings_24m", "tax_credit_rating"]
    assert set(contract.reasons.values()) == {"TX1"}


def test_free_text_cannot_be_a_feature() -> None:
    with pytest.raises(ContractRefused, match="free text"):
        Item(name="note", title="Note", type=ItemType.TEXT, feature=True)


def test_a_contract_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'title = "\xff"')
    for name in ("missing", "latin", "."):
        with pytest.raises(ContractRefused):
            DataContract.read(tmp_path / name)


reasons = st.sampled_from(["", *(family.code for family in packaged_families().families)])
printable = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20)
numbers = st.none() | st.floats(-1e12, 1e12)


@st.composite
def items(draw: st.DrawFn, name: str) -> Item:
    kind = draw(st.sampled_from(ItemType))
    low, high = sorted([draw(st.floats(-1e12, 1e12)), draw(st.floats(-1e12, 1e12))])
    numeric = kind in {ItemType.NUMBER, ItemType.INTEGER}
    return Item(
        name=name,
        title=draw(printable),
        type=kind,
        unit=draw(printable),
        update_frequency=draw(st.sampled_from(UpdateFrequency)),
        description=draw(printable),
        minimum=low if numeric and draw(st.booleans()) else None,
        maximum=high if numeric and draw(st.booleans()) else None,
        allowed=tuple(draw(st.sets(printable.filter(bool), max_size=3))) if kind is ItemType.CATEGORY else (),
        reason=draw(reasons),
        feature=kind is not ItemType.TEXT and draw(st.booleans()),
    )


@given(st.data())
def test_every_contract_survives_its_toml(data: st.DataObject) -> None:
    made = tuple(data.draw(items(f"item{index}")) for index in range(data.draw(st.integers(0, 4))))
    category = Category(name="all", title=data.draw(printable), items=made, reason=data.draw(reasons))
    contract = DataContract(holder=ParticipantId("tax"), title=data.draw(printable), categories=(category,))
    assert DataContract.from_toml(contract.to_toml()) == contract


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
def test_only_our_error_escapes_from_any_text(text: str) -> None:
    try:
        DataContract.from_toml(text)
    except YurongError:
        return
