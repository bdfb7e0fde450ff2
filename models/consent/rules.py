"""The fair-use rules: how much anybody may consent to, whoever wrote the text that was shown.

The table is data, `fair_use.toml`, and says at its top where its bounds come from. The portal applies it before a
passkey signs, and every department before it answers, so that neither has to trust the other's copy.

Which rule bounds a consent (`FairUseRules.rule_for`), the first that there is:

    (purpose, computation)  >  (purpose, *)  >  (*, computation)  >  (*, *)

`rule_id` in a consent says which rule was applied when it was made. It must be one that covers the consent, of the
version in force or an earlier one; the bounds are always those in force, so that a tightened rule holds for what was
signed before.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar

from models.consent.errors import BeyondFairUse, FairUseTableInvalid
from models.wire.consent import Computation, Consent, Purpose

SECONDS_A_DAY: Final = 86_400

_FORM: Final = 1
_ANY: Final = "*"
_NAME: Final = re.compile(r"[a-z0-9-]{1,60}")
_MOST: Final = 999_999
_ADVICE: Final = "Make a new consent that keeps this bound, and let the enterprise sign that one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row: upper bounds for what it covers. purpose, computation: None covers every one.

    life_days: from when a consent was made to when it ends, so that a late start makes it no longer.
    """

    name: str
    version: int
    purpose: Purpose | None
    computation: Computation | None
    life_days: int
    maximum_uses: int
    uses_a_month: int
    result_life_days: int

    @property
    def rule_id(self) -> str:
        """How a consent names this rule: name@version."""
        return f"{self.name}@{self.version}"

    def covers(self, purpose: Purpose, computation: Computation) -> bool:
        """Whether this rule says anything of such a consent."""
        return self.purpose in {None, purpose} and self.computation in {None, computation}


@dataclass(frozen=True, slots=True)
class FairUseRules:
    """A whole table. computations: what each purpose may compute."""

    computations: Mapping[Purpose, frozenset[Computation]]
    rules: tuple[Rule, ...]

    def rule_for(self, purpose: Purpose, computation: Computation) -> Rule | None:
        """The most specific rule that covers such a consent; None if none does."""
        covering = [rule for rule in self.rules if rule.covers(purpose, computation)]
        return max(covering, key=_specificity, default=None)


def require_within_rules(consent: Consent, rules: FairUseRules) -> None:
    """Raise `BeyondFairUse`, naming the field and the bound, unless `consent` keeps every bound in force."""
    allowed = rules.computations.get(consent.purpose, frozenset())
    if consent.computation not in allowed:
        bound = f"{consent.purpose} may compute {', '.join(sorted(allowed)) or 'nothing'}"
        raise BeyondFairUse("computation", bound, advice=_ADVICE)
    rule = rules.rule_for(consent.purpose, consent.computation)
    if rule is None:
        raise BeyondFairUse("purpose", f"no rule covers {consent.purpose}", advice=_ADVICE)
    _require_known_rule(consent, rules, rule)
    if consent.expires_at - consent.created_at > rule.life_days * SECONDS_A_DAY:
        bound = f"{rule.life_days} days at most after it was made ({rule.rule_id})"
        raise BeyondFairUse("expires_at", bound, advice=_ADVICE)
    for field in ("maximum_uses", "uses_a_month", "result_life_days"):
        most = getattr(rule, field)
        if getattr(consent, field) > most:
            raise BeyondFairUse(field, f"{most} at most ({rule.rule_id})", advice=_ADVICE)


@cache
def packaged_rules() -> FairUseRules:
    """The table of this release."""
    return parse_rules(files("models.consent").joinpath("fair_use.toml").read_text(encoding="utf-8"))


def parse_rules(text: str) -> FairUseRules:
    """Return the table that `text` (TOML) holds; raises `FairUseTableInvalid` for a key that is unknown or missing."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):  # besides TOMLDecodeError, what int() says of thousands of digits
        raise FairUseTableInvalid("the fair-use table is not TOML") from None
    _require_keys("the table", table, {"form", "computations", "rules"})
    if type(table["form"]) is not int or table["form"] != _FORM:
        raise FairUseTableInvalid("the fair-use table is of another form", advice=f"This release reads form {_FORM}.")
    rows = table["rules"]
    if not isinstance(rows, list):
        raise FairUseTableInvalid("the rules of the fair-use table are not a list")
    rules = tuple(_rule(row) for row in rows)
    _require_distinct("two rules have one name", [rule.name for rule in rules])
    _require_distinct("two rules cover the same", [(rule.purpose, rule.computation) for rule in rules])
    return FairUseRules(_computations(table["computations"]), rules)


def _specificity(rule: Rule) -> tuple[bool, bool]:
    return rule.purpose is not None, rule.computation is not None


def _require_known_rule(consent: Consent, rules: FairUseRules, in_force: Rule) -> None:
    name, _, version = consent.rule_id.partition("@")
    for rule in rules.rules:
        covers = rule.covers(consent.purpose, consent.computation)
        if covers and rule.name == name and int(version) <= rule.version:
            return
    advice = "Bring the node whose release is older up to date, or make a new consent under the rule in force."
    raise BeyondFairUse("rule_id", f"it names no rule known here, where {in_force.rule_id} is in force", advice=advice)


def _computations(value: object) -> dict[Purpose, frozenset[Computation]]:
    if not isinstance(value, dict):
        raise FairUseTableInvalid("the computations of the fair-use table are no table")
    _require_keys("computations", value, set(Purpose))
    for listed in value.values():
        if not isinstance(listed, list):
            raise FairUseTableInvalid("the computations of a purpose are not a list")
    return {Purpose(key): frozenset(_member(Computation, one) for one in listed) for key, listed in value.items()}


def _rule(row: object) -> Rule:
    if not isinstance(row, dict):
        raise FairUseTableInvalid("a fair-use rule is no table")
    _require_keys("a rule", row, {field.name for field in fields(Rule)})
    name, purpose, computation = row["name"], row["purpose"], row["computation"]
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise FairUseTableInvalid("the name of a fair-use rule is not 1 to 60 lower-case letters, digits and hyphens")
    rule = Rule(
        name=name,
        version=_bound(row, "version"),
        purpose=None if purpose == _ANY else _member(Purpose, purpose),
        computation=None if computation == _ANY else _member(Computation, computation),
        life_days=_bound(row, "life_days"),
        maximum_uses=_bound(row, "maximum_uses"),
        uses_a_month=_bound(row, "uses_a_month"),
        result_life_days=_bound(row, "result_life_days"),
    )
    if rule.uses_a_month > rule.maximum_uses:
        raise FairUseTableInvalid("a fair-use rule allows more uses a month than in all")
    return rule


def _bound(row: Mapping[str, Any], key: str) -> int:
    value = row[key]
    if type(value) is not int or not 1 <= value <= _MOST:
        raise FairUseTableInvalid(f"{key} of a fair-use rule is not a number from 1 to {_MOST}")
    return value


_Member = TypeVar("_Member", bound=StrEnum)


def _member(kind: type[_Member], value: object) -> _Member:
    if not isinstance(value, str) or value not in set(kind):
        raise FairUseTableInvalid(f"the fair-use table names no {kind.__name__.lower()} that there is")
    return kind(value)


def _require_keys(where: str, value: Mapping[str, Any], keys: set[str]) -> None:
    if value.keys() != keys:
        wrong = ", ".join(sorted(value.keys() ^ keys))
        raise FairUseTableInvalid(f"unknown or missing in {where} of the fair-use table: {wrong!r}")


def _require_distinct(fault: str, values: Sequence[object]) -> None:
    if len(set(values)) != len(values):
        raise FairUseTableInvalid(f"{fault} in the fair-use table")
