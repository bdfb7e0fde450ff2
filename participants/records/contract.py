"""The data contract of a participant: which items it holds, of what type and unit, how fresh, within which bounds.

A contract is a TOML file that the holder can read and edit:

    holder = "tax"
    title = "Taxation Bureau 税务局"

    [[category]]
    name = "vat_returns"
    title = "VAT returns 增值税申报"
    reason = "TX3"                  # the reason family of its items (models/reasons); left out: the general one

    [[category.item]]
    name = "taxable_sales_12m"
    title = "Taxable sales, 12 months 近12个月应税销售额"
    type = "number"                 # number | integer | category | flag | date | text
    unit = "CNY 10k"
    update_frequency = "monthly"    # realtime | daily | weekly | monthly | quarterly | semiannual | annual | on_change
    description = "Sales on which VAT was declared."
    minimum = 0.0                   # numbers and integers
    allowed = ["A", "B"]            # categories; left out: any
    reason = "TX1"                  # the item's own reason family; left out: its category's
    feature = true                  # the model uses it; false when left out

The key column of every table is `enterprise_id`. Unknown keys are refused, here as in every setting.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final, Self, TypeVar

from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId, parse_participant_id
from models.reasons.families import packaged_families
from participants.errors import ContractRefused

KEY_COLUMN: Final = "enterprise_id"
RESERVED_COLUMNS: Final = frozenset({KEY_COLUMN, "as_of", "default", "weight", "holdout"})
MAXIMUM_CONTRACT_BYTES: Final = 4 << 20
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_TEXT_LIMIT: Final = 1000
_ALLOWED_LIMIT: Final = 5000


class ItemType(StrEnum):
    """What the values of an item are."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    FLAG = "flag"
    DATE = "date"
    TEXT = "text"


class UpdateFrequency(StrEnum):
    """How often the holder brings an item up to date."""

    REALTIME = "realtime"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    SEMIANNUAL = "semiannual"
    ANNUAL = "annual"
    ON_CHANGE = "on_change"


def _refuse(what: str) -> ContractRefused:
    return ContractRefused(f"the data contract was refused: {what}", advice="docs/data-contract.md describes the form.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One column of the holder's table. Bounds are inclusive; None is unbounded, an empty `allowed` allows all.

    reason: the code of its reason family; if empty, its category's.
    """

    name: str
    title: str
    type: ItemType
    unit: str = ""
    update_frequency: UpdateFrequency = UpdateFrequency.MONTHLY
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    reason: str = ""
    feature: bool = False

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise _refuse("an item's name is 1 to 64 letters, digits and underscores, a letter first")
        for text in (self.title, self.unit, self.description, *self.allowed):
            _check_text(text, f"item {self.name}")
        _check_reason(self.reason, f"item {self.name}")
        numeric = self.type in {ItemType.NUMBER, ItemType.INTEGER}
        if not numeric and (self.minimum is not None or self.maximum is not None):
            raise _refuse(f"item {self.name} has bounds and is not numeric")
        if self.minimum is not None and self.maximum is not None and not self.minimum <= self.maximum:
            raise _refuse(f"item {self.name} has its minimum above its maximum")
        if self.allowed and self.type is not ItemType.CATEGORY:
            raise _refuse(f"item {self.name} lists allowed values and is not a category")
        if len(self.allowed) > _ALLOWED_LIMIT or len(set(self.allowed)) != len(self.allowed) or "" in self.allowed:
            raise _refuse(f"item {self.name} repeats an allowed value, has an empty one or more than {_ALLOWED_LIMIT}")
        if self.feature and self.type is ItemType.TEXT:
            raise _refuse(f"item {self.name} is free text and cannot be a feature")


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """Items that belong together. reason: the code of their reason family, for items that have none of their own."""

    name: str
    title: str
    items: tuple[Item, ...]
    reason: str = ""

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise _refuse("a category's name is 1 to 64 letters, digits and underscores, a letter first")
        _check_text(self.title, f"category {self.name}")
        _check_reason(self.reason, f"category {self.name}")


@dataclass(frozen=True, kw_only=True)
class DataContract:
    """All that one participant holds. `holder` is its participant id."""

    holder: ParticipantId
    title: str
    categories: tuple[Category, ...]

    def __post_init__(self) -> None:
        try:
            parse_participant_id(self.holder)
        except MalformedMessage as error:
            raise _refuse(error.message) from error
        _check_text(self.title, "the title")
        _check_distinct([category.name for category in self.categories], "category")
        names = [item.name for item in self.items]
        _check_distinct(names, "item")
        reserved = RESERVED_COLUMNS.intersection(names)
        if reserved:
            raise _refuse(f"the name {min(reserved)} is kept for the table itself")

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Every item, category by category."""
        return tuple(item for category in self.categories for item in category.items)

    @cached_property
    def features(self) -> tuple[Item, ...]:
        """The items that the model uses, in the contract's order."""
        return tuple(item for item in self.items if item.feature)

    @cached_property
    def reasons(self) -> Mapping[str, str]:
        """The code of the reason family of each item, by its name; the general one where none is named."""
        return {
            item.name: item.reason or category.reason or packaged_families().general
            for category in self.categories
            for item in category.items
        }

    def item(self, name: str) -> Item:
        """Return the item of this name; `ContractRefused` when there is none."""
        for item in self.items:
            if item.name == name:
                return item
        raise _refuse(f"there is no item {name!r}")

    def with_features(self, names: frozenset[str]) -> Self:
        """Return the same contract with exactly these items as the model's features."""
        for name in names:
            self.item(name)
        categories = tuple(
            replace(category, items=tuple(replace(item, feature=item.name in names) for item in category.items))
            for category in self.categories
        )
        return replace(self, categories=categories)

    def to_toml(self) -> str:
        """Return the contract as a TOML file's text."""
        lines = [f"holder = {_quoted(self.holder)}", f"title = {_quoted(self.title)}"]
        for category in self.categories:
            lines += ["", "[[category]]", f"name = {_quoted(category.name)}", f"title = {_quoted(category.title)}"]
            if category.reason:
                lines.append(f"reason = {_quoted(category.reason)}")
            for item in category.items:
                lines += ["", "[[category.item]]", *_item_lines(item)]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read a contract strictly; `ContractRefused` says what is wrong with it."""
        try:
            document = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise _refuse(f"it is not TOML: {error}") from error
        table = _Table(document, "the contract")
        contract = cls(
            holder=ParticipantId(table.text("holder")),
            title=table.text("title"),
            categories=tuple(_category(_Table(entry, "a category")) for entry in table.tables("category")),
        )
        table.finish()
        return contract

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what a contract's file holds; `ContractRefused` if it is too long or not well formed."""
        if len(data) > MAXIMUM_CONTRACT_BYTES:
            raise _refuse(f"it is longer than {MAXIMUM_CONTRACT_BYTES} bytes")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _refuse("it is not UTF-8") from error
        return cls.from_toml(text)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a contract from a file; `ContractRefused` when there is none or it is not well formed."""
        try:
            with path.open("rb") as file:
                data = file.read(MAXIMUM_CONTRACT_BYTES + 1)
        except OSError as error:
            raise unreadable_contract(error) from error
        return cls.from_bytes(data)


def unreadable_contract(error: OSError) -> ContractRefused:
    """The error for a contract's file that is missing or cannot be read."""
    return _refuse(f"it cannot be read ({error.strerror})")


def _check_text(text: str, where: str) -> None:
    if len(text) > _TEXT_LIMIT or not text.isprintable():
        raise _refuse(f"{where} has a text that is not printable or longer than {_TEXT_LIMIT} characters")


def _check_reason(code: str, where: str) -> None:
    if code and code not in packaged_families():
        raise _refuse(f"{where} names a reason family that is not in the list")


def _check_distinct(names: list[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _refuse(f"there are two of the {what} {name}")
        seen.add(name)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _item_lines(item: Item) -> list[str]:
    lines = [f"name = {_quoted(item.name)}", f"title = {_quoted(item.title)}", f"type = {_quoted(item.type)}"]
    if item.unit:
        lines.append(f"unit = {_quoted(item.unit)}")
    lines.append(f"update_frequency = {_quoted(item.update_frequency)}")
    if item.description:
        lines.append(f"description = {_quoted(item.description)}")
    if item.minimum is not None:
        lines.append(f"minimum = {float(item.minimum)!r}")
    if item.maximum is not None:
        lines.append(f"maximum = {float(item.maximum)!r}")
    if item.allowed:
        lines.append(f"allowed = [{', '.join(_quoted(value) for value in item.allowed)}]")
    if item.reason:
        lines.append(f"reason = {_quoted(item.reason)}")
    if item.feature:
        lines.append("feature = true")
    return lines


_Choice = TypeVar("_Choice", bound=StrEnum)


class _Table:
    """One TOML table, read key by key; what is left at the end is unknown and refused."""

    def __init__(self, entries: object, where: str) -> None:
        if not isinstance(entries, Mapping):
            raise _refuse(f"{where} is not a table")
        self._left = dict(entries)
        self._where = where

    def text(self, key: str, default: str | None = None) -> str:
        value = self._left.pop(key, default)
        if not isinstance(value, str):
            raise _refuse(f"{self._where} has no text {key!r}")
        if key == "name":
            self._where = f"{self._where.split(' ', 1)[1]} {value[:64]!r}"
        return value

    def number(self, key: str) -> float | None:
        value = self._left.pop(key, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
            raise _refuse(f"{self._where} has a {key!r} that is not a finite number")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self._left.pop(key, False)
        if not isinstance(value, bool):
            raise _refuse(f"{self._where} has a {key!r} that is neither true nor false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._left.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise _refuse(f"{self._where} has a {key!r} that is not a list of texts")
        return tuple(value)

    def tables(self, key: str) -> list[object]:
        value = self._left.pop(key, [])
        if not isinstance(value, list):
            raise _refuse(f"{self._where} has a {key!r} that is not a list of tables")
        return value

    def one_of(self, key: str, choices: type[_Choice]) -> _Choice:
        value = self.text(key)
        if value not in list(choices):
            raise _refuse(f"{self._where} has a {key!r} that is none of {', '.join(choices)}")
        return choices(value)

    def finish(self) -> None:
        if self._left:
            raise _refuse(f"{self._where} has the unknown key {min(self._left)!r}")


def _category(table: _Table) -> Category:
    category = Category(
        name=table.text("name"),
        title=table.text("title"),
        reason=table.text("reason", ""),
        items=tuple(_item(_Table(entry, "an item")) for entry in table.tables("item")),
    )
    table.finish()
    return category


def _item(table: _Table) -> Item:
    item = Item(
        name=table.text("name"),
        title=table.text("title"),
        type=table.one_of("type", ItemType),
        unit=table.text("unit", ""),
        update_frequency=table.one_of("update_frequency", UpdateFrequency),
        description=table.text("description", ""),
        minimum=table.number("minimum"),
        maximum=table.number("maximum"),
        allowed=table.texts("allowed"),
        reason=table.text("reason", ""),
        feature=table.flag("feature"),
    )
    table.finish()
    return item
