"""The closed list of reason families: what a score can be said to lose points for, in Chinese and in English.

The list is data, `families.toml`, and says at its top by which rules it grows. A data contract names the family of each
of its items by code (`participants/records/contract.py`); an item without one is of the general family. A family is
wider than a feature, and its texts name no value; of a department that has one feature in it, it tells of that one.

The place of a family in the list is its place in every vector of points lost (`models/reasons/lost.py`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final

from models.reasons.errors import ReasonsTableInvalid

MOST_FAMILIES: Final = 32
"""A vector of points lost has no more words."""

_FORM: Final = 1
_CODE: Final = re.compile(r"[A-Z]{2}[1-9]")
_NAME: Final = re.compile(r"[a-z0-9-]{1,60}")
_LONGEST_TEXT: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonFamily:
    """One family. code: two capital letters and a digit, for machines and letters; zh, en: the text for people."""

    code: str
    name: str
    zh: str
    en: str


@dataclass(frozen=True)
class ReasonFamilies:
    """A whole list, in its order. general: the code of the family of what names none."""

    families: tuple[ReasonFamily, ...]
    general: str

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place of each code."""
        return {family.code: place for place, family in enumerate(self.families)}

    def __len__(self) -> int:
        return len(self.families)

    def __getitem__(self, place: int) -> ReasonFamily:
        return self.families[place]

    def __contains__(self, code: object) -> bool:
        return code in self.places


@cache
def packaged_families() -> ReasonFamilies:
    """The list of this release."""
    return parse_families(files("models.reasons").joinpath("families.toml").read_text(encoding="utf-8"))


def parse_families(text: str) -> ReasonFamilies:
    """Return the list that `text` (TOML) holds; raises `ReasonsTableInvalid` for a key that is unknown or missing."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):  # besides TOMLDecodeError, what int() says of thousands of digits
        raise ReasonsTableInvalid("the list of reason families is not TOML") from None
    _require_keys("the list", table, {"form", "general", "families"})
    if type(table["form"]) is not int or table["form"] != _FORM:
        raise ReasonsTableInvalid(
            "the list of reason families is of another form", advice=f"This release reads form {_FORM}."
        )
    rows = table["families"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_FAMILIES:
        raise ReasonsTableInvalid(f"the reason families are not a list of 1 to {MOST_FAMILIES}")
    families = tuple(_family(row) for row in rows)
    for field in fields(ReasonFamily):
        _require_distinct(field.name, [getattr(family, field.name) for family in families])
    if table["general"] not in [family.code for family in families]:
        raise ReasonsTableInvalid("the general reason family is not in the list")
    return ReasonFamilies(families, table["general"])


def _family(row: object) -> ReasonFamily:
    if not isinstance(row, dict):
        raise ReasonsTableInvalid("a reason family is no table")
    _require_keys("a family", row, {field.name for field in fields(ReasonFamily)})
    for key, form in (("code", _CODE), ("name", _NAME)):
        if not isinstance(row[key], str) or form.fullmatch(row[key]) is None:
            raise ReasonsTableInvalid(f"the {key} of a reason family does not have the form {form.pattern}")
    for key in ("zh", "en"):
        text = row[key]
        if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST_TEXT or not text.isprintable():
            raise ReasonsTableInvalid(f"the {key} of a reason family is not 1 to {_LONGEST_TEXT} printable characters")
    return ReasonFamily(**row)


def _require_keys(where: str, value: Mapping[str, Any], keys: set[str]) -> None:
    if value.keys() != keys:
        wrong = ", ".join(sorted(value.keys() ^ keys))
        raise ReasonsTableInvalid(f"unknown or missing in {where} of reason families: {wrong!r}")


def _require_distinct(key: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise ReasonsTableInvalid(f"two reason families have one {key}")
