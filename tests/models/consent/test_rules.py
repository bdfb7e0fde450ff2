"""The fair-use rules: the most specific one bounds, every bound holds on both sides, and a bad table is refused."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.consent import rules as module
from models.consent.errors import BeyondFairUse, FairUseTableInvalid
from models.consent.rules import FairUseRules, Rule, packaged_rules, parse_rules, require_within_rules
from models.wire.consent import (
    Computation,
    Consent,
    Purpose,
    ReasonsOpenedBy,
)
from simulations.enterprise.drawn_consent import CREATED, drawn_consent

DAY = 86_400
TABLE = Path(module.__file__).with_name("fair_use.toml").read_text(encoding="utf-8")


def consent_at(rule: Rule, purpose: Purpose, computation: Computation) -> Consent:
    """A consent to all that `rule` allows."""
    return drawn_consent(
        purpose=purpose,
        computation=computation,
        reasons_opened_by=ReasonsOpenedBy.BANK if computation is Computation.SCORE_WITH_REASONS else None,
        expires_at=CREATED + rule.life_days * DAY,
        maximum_uses=rule.maximum_uses,
        uses_a_month=rule.uses_a_month,
        result_life_days=rule.result_life_days,
        rule_id=rule.rule_id,
    )


PAIRS = [(purpose, computation) for purpose in Purpose for computation in Computation]
ALLOWED = [pair for pair in PAIRS if pair[1] in packaged_rules().computations[pair[0]]]


def rule_of(purpose: Purpose, computation: Computation) -> Rule:
    rule = packaged_rules().rule_for(purpose, computation)
    assert rule is not None
    return rule


@pytest.mark.parametrize(("purpose", "computation"), ALLOWED)
def test_a_consent_to_all_that_its_rule_allows_passes(purpose: Purpose, computation: Computation) -> None:
    rule = rule_of(purpose, computation)
    require_within_rules(consent_at(rule, purpose, computation), packaged_rules())


@pytest.mark.parametrize("field", ["expires_at", "maximum_uses", "uses_a_month", "result_life_days"])
@pytest.mark.parametrize(("purpose", "computation"), ALLOWED)
def test_one_more_than_a_bound_is_refused_by_name(purpose: Purpose, computation: Computation, field: str) -> None:
    rule = rule_of(purpose, computation)
    most = consent_at(rule, purpose, computation)
    more: dict[str, Any] = {field: getattr(most, field) + 1}
    rules = packaged_rules()
    if field == "uses_a_month" and most.maximum_uses == most.uses_a_month:
        # The form wants no more in a month than in all, so the bound on all is lifted to see this one.
        rules = FairUseRules(rules.computations, (replace(rule, maximum_uses=rule.maximum_uses + 1),))
        more["maximum_uses"] = most.maximum_uses + 1
    with pytest.raises(BeyondFairUse) as caught:
        require_within_rules(replace(most, **more), rules)
    assert caught.value.field == field
    assert field in caught.value.message
    assert str(rule.life_days if field == "expires_at" else getattr(rule, field)) in caught.value.bound
    assert caught.value.advice


@pytest.mark.parametrize(("purpose", "computation"), [pair for pair in PAIRS if pair not in ALLOWED])
def test_a_purpose_computes_nothing_but_what_is_listed(purpose: Purpose, computation: Computation) -> None:
    with pytest.raises(BeyondFairUse) as caught:
        require_within_rules(consent_at(rule_of(purpose, computation), purpose, computation), packaged_rules())
    assert caught.value.field == "computation"


def test_a_late_start_makes_no_consent_longer() -> None:
    consent = consent_at(rule_of(Purpose.APPLICATION, Computation.SCORE), Purpose.APPLICATION, Computation.SCORE)
    late = replace(consent, valid_from=CREATED + DAY)
    require_within_rules(late, packaged_rules())
    with pytest.raises(BeyondFairUse, match="expires_at"):
        require_within_rules(replace(late, expires_at=late.expires_at + DAY), packaged_rules())


ROWS = {
    (purpose, computation): Rule(
        name=f"{purpose or 'any'}-{computation or 'any'}",
        version=2,
        purpose=purpose,
        computation=computation,
        life_days=10,
        maximum_uses=3,
        uses_a_month=2,
        result_life_days=5,
    )
    for purpose in (Purpose.APPLICATION, None)
    for computation in (Computation.SCORE, None)
}
EVERYTHING = {purpose: frozenset(Computation) for purpose in Purpose}


@given(st.permutations(list(ROWS.values())))
def test_a_specific_rule_beats_a_wildcard_wherever_it_stands(rows: list[Rule]) -> None:
    order = [
        ROWS[Purpose.APPLICATION, Computation.SCORE],
        ROWS[Purpose.APPLICATION, None],
        ROWS[None, Computation.SCORE],
        ROWS[None, None],
    ]
    while order:
        rules = FairUseRules(EVERYTHING, tuple(row for row in rows if row in order))
        assert rules.rule_for(Purpose.APPLICATION, Computation.SCORE) == order.pop(0)
    assert FairUseRules(EVERYTHING, ()).rule_for(Purpose.APPLICATION, Computation.SCORE) is None


def test_a_wildcard_covers_what_no_other_rule_does() -> None:
    rules = FairUseRules(EVERYTHING, tuple(ROWS.values()))
    assert rules.rule_for(Purpose.MATCHING, Computation.MATCH) == ROWS[None, None]
    assert rules.rule_for(Purpose.APPLICATION, Computation.MATCH) == ROWS[Purpose.APPLICATION, None]
    assert rules.rule_for(Purpose.MATCHING, Computation.SCORE) == ROWS[None, Computation.SCORE]


def test_without_a_rule_nothing_is_allowed() -> None:
    consent = consent_at(ROWS[None, None], Purpose.APPLICATION, Computation.SCORE)
    with pytest.raises(BeyondFairUse, match="purpose"):
        require_within_rules(consent, FairUseRules(EVERYTHING, ()))
    with pytest.raises(BeyondFairUse, match="computation"):
        require_within_rules(consent, FairUseRules({}, tuple(ROWS.values())))


@pytest.mark.parametrize(
    ("rule_id", "known"),
    [
        ("application-score@2", True),
        ("application-score@1", True),
        ("any-any@2", True),
        ("application-score@3", False),
        ("monitoring-any@2", False),
        ("matching@1", False),
    ],
)
def test_a_consent_names_a_rule_that_covers_it_in_a_version_that_is_known(rule_id: str, known: bool) -> None:
    other = replace(ROWS[None, None], name="monitoring-any", purpose=Purpose.MONITORING)
    rules = FairUseRules(EVERYTHING, (*ROWS.values(), other))
    rule = ROWS[Purpose.APPLICATION, Computation.SCORE]
    consent = replace(consent_at(rule, Purpose.APPLICATION, Computation.SCORE), rule_id=rule_id)
    if known:
        require_within_rules(consent, rules)
    else:
        with pytest.raises(BeyondFairUse, match="rule_id"):
            require_within_rules(consent, rules)


def test_a_tightened_rule_holds_for_what_was_signed_before() -> None:
    loose = ROWS[Purpose.APPLICATION, Computation.SCORE]
    consent = consent_at(loose, Purpose.APPLICATION, Computation.SCORE)
    tight = replace(loose, version=3, result_life_days=loose.result_life_days - 1)
    with pytest.raises(BeyondFairUse, match="result_life_days"):
        require_within_rules(consent, FairUseRules(EVERYTHING, (tight,)))
    require_within_rules(replace(consent, result_life_days=4), FairUseRules(EVERYTHING, (tight,)))


def test_the_packaged_table_is_the_one_beside_the_code_and_is_installed_with_it() -> None:
    assert parse_rules(TABLE) == packaged_rules()
    project = tomllib.loads((Path(module.__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert "consent/*.toml" in project["tool"]["setuptools"]["package-data"]["models"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("form = 1", "form = 2"),
        ("form = 1", "form = true"),
        ("form = 1", ""),
        ("form = 1", "form = 1\nmore = 1"),
        ("form = 1", "form ="),
        ('matching = ["match"]', ""),
        ('matching = ["match"]', 'matching = ["match"]\nlending = ["score"]'),
        ('matching = ["match"]', 'matching = ["raw"]'),
        ('matching = ["match"]', 'matching = "match"'),
        ('matching = ["match"]', "matching = [1]"),
        ('name = "matching"', 'name = "Matching"'),
        ('name = "matching"', "name = 1"),
        ('name = "matching"', 'name = "application"'),
        ('name = "matching"', ""),
        ('purpose = "matching"', 'purpose = "application"'),
        ('purpose = "matching"', 'purpose = "lending"'),
        ('purpose = "matching"', "purpose = []"),
        ('computation = "score-with-reasons"', 'computation = "reasons"'),
        ("life_days = 1\n", "life_days = 0\n"),
        ("life_days = 1\n", "life_days = 1.5\n"),
        ("life_days = 1\n", "life_days = true\n"),
        ("life_days = 1\n", "life_days = 1000000\n"),
        ("life_days = 1\n", "life_days = 1\nrange_months = 14\n"),
        ("maximum_uses = 1\n", "maximum_uses = -1\n"),
        ("uses_a_month = 5\n", "uses_a_month = 61\n"),
        ("version = 1", 'version = "1"'),
    ],
    ids=range(26),
)
def test_a_table_with_anything_unknown_missing_or_contradictory_is_refused(old: str, new: str) -> None:
    assert old in TABLE
    with pytest.raises(FairUseTableInvalid):
        parse_rules(TABLE.replace(old, new, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "form = 1\nrules = 1\n[computations]",
        "form = 1\nrules = [1]\n[computations]",
        "form=1\nrules=[]\ncomputations=1",
    ],
    ids=range(4),
)
def test_a_table_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(FairUseTableInvalid):
        parse_rules(text)


@given(
    st.text(max_size=50)
    | st.tuples(st.integers(0, len(TABLE)), st.text(max_size=3)).map(
        lambda cut: TABLE[: cut[0]] + cut[1] + TABLE[cut[0] + 1 :]
    )
)
@example("form = " + "9" * 5000)
@example("form = " + "[" * 5000)
def test_only_our_error_escapes_from_any_table(text: str) -> None:
    try:
        parse_rules(text)
    except FairUseTableInvalid:
        return
