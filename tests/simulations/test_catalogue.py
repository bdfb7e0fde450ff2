import re
from collections import Counter
from pathlib import Path

import pytest

from crypto.identifiers import ParticipantId
from models.reasons.families import packaged_families
from participants.records.contract import DataContract, ItemType
from simulations.catalogue import CATALOGUE_FILE, COLUMNS, load_catalogue
from simulations.errors import CatalogueUnusable


def test_the_directory_has_26_departments_105_categories_and_1242_items() -> None:
    departments = load_catalogue().departments
    assert len(departments) == 26
    assert sum(len(contract.categories) for contract in departments) == 105
    assert sum(len(contract.items) for contract in departments) == 1242


def test_every_item_has_titles_in_both_languages_a_unit_where_it_has_one_and_a_description() -> None:
    for contract in load_catalogue().departments:
        for item in contract.items:
            assert re.search("[a-zA-Z]", item.title), item.name
            assert re.search("[\u4e00-\u9fff]", item.title), item.name
            assert len(item.description) > 20, item.name
            assert bool(item.unit) == (item.type in {ItemType.NUMBER, ItemType.INTEGER}), item.name


def test_items_are_of_the_reason_families_of_the_list_and_few_of_them_of_the_general_one() -> None:
    codes = Counter(code for contract in load_catalogue().departments for code in contract.reasons.values())
    assert codes.keys() <= packaged_families().places.keys()
    assert codes.keys() >= packaged_families().places.keys() - {packaged_families().general}
    assert codes[packaged_families().general] < 50
    reasons = load_catalogue().department(ParticipantId("human-resources")).reasons
    assert (reasons["insured_employees"], reasons["months_in_arrears_12m"]) == ("SS2", "SS1")


def test_no_name_is_filler_and_no_title_is_there_twice_in_a_department() -> None:
    for contract in load_catalogue().departments:
        titles = Counter(item.title for item in contract.items)
        assert max(titles.values()) == 1, titles.most_common(1)
        assert not [
            item.name for item in contract.items if re.fullmatch(r"(item|field|column|feature)_?\d+", item.name)
        ]


def test_every_department_contract_survives_its_toml() -> None:
    for contract in load_catalogue().departments:
        assert DataContract.from_toml(contract.to_toml()) == contract


def test_a_department_is_found_by_its_id() -> None:
    assert load_catalogue().department(ParticipantId("tax")).title.startswith("Taxation Bureau")
    with pytest.raises(CatalogueUnusable, match="no department"):
        load_catalogue().department(ParticipantId("astrology"))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("department,", "dept,", "columns"),
        (",number,", ",amount,", "department"),
        (",on_change,", ",sometimes,", "department"),
        ("enterprise_name,", "enterprise name,", "department"),
        ("enterprise_name,Enterprise name,", "enterprise_name,", "fields"),
        (",RG1", ",ZZ9", "department"),
    ],
)
def test_a_catalogue_that_is_not_well_formed_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    path = tmp_path / "catalogue.csv"
    path.write_text(CATALOGUE_FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueUnusable, match=what):
        load_catalogue(path)


def test_a_catalogue_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueUnusable, match="cannot be read"):
        load_catalogue(tmp_path / "missing.csv")
    (tmp_path / "empty.csv").write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    assert load_catalogue(tmp_path / "empty.csv").departments == ()
