"""The list of reason families: closed, in one order, with both texts; a bad list is refused."""

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reasons import families as module
from models.reasons.errors import ReasonsTableInvalid
from models.reasons.families import MOST_FAMILIES, packaged_families, parse_families

LIST = Path(module.__file__).with_name("families.toml").read_text(encoding="utf-8")
SMALL = """
form = 1
general = "GE1"

[[families]]
code = "GE1"
name = "general"
en = "Other"
zh = "其他"

[[families]]
code = "TX1"
name = "tax"
en = "Taxes"
zh = "税务"
"""

# fmt: off
RELEASED = [
    "GE1", "RG1", "RG2", "TX1", "TX2", "TX3", "SS1", "SS2", "LB1", "CT1",
    "CT2", "RE1", "RE2", "UT1", "UT2", "HF1", "CU1", "SC1", "IP1", "EN1",
    "SF1", "PC1", "PP1", "FN1", "LN1", "LN2", "IN1", "IN2", "VH1",
]
# fmt: on
"""Places that were published. Vectors on disk and on the wire mean these: a new family is added here at the end."""


def test_every_family_keeps_its_place() -> None:
    codes = [family.code for family in packaged_families().families]
    assert codes == RELEASED
    assert len(codes) <= MOST_FAMILIES
    assert [packaged_families().places[code] for code in codes] == list(range(len(codes)))
    assert packaged_families().general == "GE1"


def test_texts_are_in_both_languages_and_name_no_value() -> None:
    for family in packaged_families().families:
        assert re.search(r"[一-鿿]", family.zh)
        assert family.en.isascii()
        assert not re.search(r"\d", family.zh + family.en)


def test_a_list_is_read_in_its_order() -> None:
    found = parse_families(SMALL)
    assert [(family.code, family.name, family.en, family.zh) for family in found.families] == [
        ("GE1", "general", "Other", "其他"),
        ("TX1", "tax", "Taxes", "税务"),
    ]
    assert (len(found), found[1].code, "TX1" in found, "TX2" in found) == (2, "TX1", True, False)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("form = 1", "form = 2", "another form"),
        ("form = 1", "form = true", "another form"),
        ("form = 1", "", "unknown or missing"),
        ('general = "GE1"', 'general = "GE2"', "general"),
        ('code = "TX1"', 'code = "GE1"', "one code"),
        ('code = "TX1"', 'code = "tax"', "code"),
        ('code = "TX1"', "code = 1", "code"),
        ('name = "tax"', 'name = "Tax"', "name"),
        ('name = "tax"', 'name = "general"', "one name"),
        ('zh = "税务"', 'zh = ""', "zh"),
        ('zh = "税务"', 'zh = "其他"', "one zh"),
        ('zh = "税务"', 'zh = "税\\n务"', "printable"),
        ('zh = "税务"', 'colour = "red"', "unknown or missing"),
        ("[[families]]", "[[family]]", "unknown or missing"),
        (SMALL, 'form = 1\ngeneral = "GE1"\nfamilies = []', "list of 1 to 32"),
        (SMALL, 'form = 1\ngeneral = "GE1"\nfamilies = [1]', "no table"),
        (SMALL, "= = =", "not TOML"),
    ],
)
def test_a_list_that_is_wrong_is_refused(old: str, new: str, what: str) -> None:
    assert old in SMALL
    with pytest.raises(ReasonsTableInvalid, match=what):
        parse_families(SMALL.replace(old, new, 1))


def test_a_list_of_more_than_a_vector_has_words_is_refused() -> None:
    table = tomllib.loads(LIST)["families"]
    more = "".join(
        f'[[families]]\ncode = "AA{n % 9 + 1}"\nname = "n{n}"\nen = "e{n}"\nzh = "z{n}"\n'
        for n in range(MOST_FAMILIES - len(table) + 1)
    )
    with pytest.raises(ReasonsTableInvalid, match="list of 1 to 32"):
        parse_families(LIST + more)


@given(st.text(max_size=200) | st.text("[]={}\"'\n families1.", max_size=60).map(lambda text: SMALL + text))
def test_only_our_error_escapes_from_any_text(text: str) -> None:
    try:
        parse_families(text)
    except ReasonsTableInvalid:
        return
