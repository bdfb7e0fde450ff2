"""What an operator sees before deciding on a run: who, what for, with which features, and what it would give away.

The figures are upper bounds that the plan implies; `docs/threat-model.md` says how they come about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crypto.errors import UntrustedKey, YurongError
from crypto.identifiers import ParticipantId, Role, RunId
from models.wire.plan import MAXIMUM_ATTEMPTS, ROWS_PER_ROUND_AND_PARAMETER, RunPlan
from participants.home import Home
from participants.records.contract import Item
from participants.runs.run_costs import RunCost

BUREAU: Final = "the bureau"
EVERYBODY: Final = "everybody in the run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Another participant of a run. `fingerprint`: as pinned here, in hexadecimal; empty if it is not."""

    participant_id: ParticipantId
    role: Role
    title: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What one kind of party would learn about this participant, in plain words."""

    to: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a run would cost. `numbers_at_most`: at a bank, for each department; at a department, for a bank's row."""

    disclosures: tuple[Disclosure, ...]
    numbers_at_most: int
    before: RunCost


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run that was proposed, as this participant's operator should see it."""

    run_id: RunId
    state: str
    decided_by: str
    reason: str
    plan: RunPlan
    parties: tuple[Party, ...]
    features: tuple[Item, ...]
    conditions: tuple[str, ...]
    exposure: Exposure
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """The summary as text."""
        plan, cost = self.plan, self.exposure.before
        decided = f" by {self.decided_by}" if self.decided_by else ""
        found = [
            f"Run {self.run_id}: {self.state}{decided}{f' ({self.reason})' if self.reason else ''}",
            f"Purpose: {plan.purpose}",
            f"At most {plan.maximum_rounds} rounds, {plan.parameter_limit} parameters a block ({plan.block})",
            "Parties:",
            *(f"  {one.role} {one.participant_id} {one.title}  {_shown(one.fingerprint)}" for one in self.parties),
            f"Features of this participant that would be used ({len(self.features)}):",
            *(f"  {item.name}  {item.title}" for item in self.features),
            "Conditions:",
            *(f"  {text}" for text in self.conditions),
            "What this run would let others learn about this participant, at most:",
            *(f"  {one.to}: {one.what}" for one in self.exposure.disclosures),
            f"Earlier runs that came to training: {cost.runs}",
        ]
        opened = (f"{count} for {name}" for name, count in cost.numbers_opened.items())
        if cost.numbers_opened:
            found.append(f"  numbers about residuals that were opened: {', '.join(opened)}")
        if cost.rounds_answered:
            found.append(f"  rounds whose sums banks have seen: {cost.rounds_answered}")
        return [*found, *(f"Warning: {text}" for text in self.warnings)]


def features_digest(features: Sequence[Item]) -> bytes:
    """SHA-256 of the features that an operator is shown: a run that was approved may use these and no others.

    Not of their reason families, which change nothing of a run but a list of codes in its model's manifest.
    """
    return hashlib.sha256(repr([(item.name, item.title, item.type.value) for item in features]).encode()).digest()


def parties_of(plan: RunPlan, home: Home) -> tuple[Party, ...]:
    """Everybody else in a plan, as this participant knows them."""
    named = [*((name, Role.DEPARTMENT) for name in plan.department_ids), *((name, Role.BANK) for name in plan.bank_ids)]
    return tuple(_party(home, name, role) for name, role in named if name != home.participant_id)


def exposure_of(plan: RunPlan, home: Home, before: RunCost) -> Exposure:
    """What a plan would cost this participant."""
    if home.role is Role.BANK:
        numbers = plan.maximum_rounds * plan.parameter_limit
        return Exposure(disclosures=_of_a_bank(plan, numbers), numbers_at_most=numbers, before=before)
    return Exposure(disclosures=_of_a_department(plan), numbers_at_most=plan.maximum_rounds, before=before)


def conditions_of(plan: RunPlan) -> tuple[str, ...]:
    """What must hold for a plan to come to training; the participants check it."""
    rows = ROWS_PER_ROUND_AND_PARAMETER * plan.maximum_rounds * plan.parameter_limit
    return (
        f"the banks together train on at least {rows} rows, if a block has all {plan.parameter_limit} parameters",
        f"the set-up may be begun {MAXIMUM_ATTEMPTS} times without asking again, training once",
    )


def _of_a_department(plan: RunPlan) -> tuple[Disclosure, ...]:
    return (
        Disclosure(
            to="each bank",
            what=f"which of the enterprises that it asks about this department holds, and how many it holds in all; "
            f"{plan.maximum_rounds} numbers for each of them, each summed over the departments of a round, at least 3",
        ),
        Disclosure(
            to=BUREAU,
            what="how many enterprises this department holds, and how many of each bank's rows are among them",
        ),
        Disclosure(
            to=EVERYBODY,
            what="how many features and parameters its block has, and the block's spread and mean to 3 decimals",
        ),
    )


def _of_a_bank(plan: RunPlan, numbers: int) -> tuple[Disclosure, ...]:
    others = len(plan.banks) - 1
    sums = f"summed over {len(plan.banks)} banks" if others else "of this bank alone: there is no other"
    found = [
        Disclosure(
            to="each department",
            what="how many enterprises this bank's book has, and which of the department's own are among them, decoys "
            f"too; {plan.maximum_rounds} vectors of at most {plan.parameter_limit} masked numbers ({numbers} in all), "
            f"sums of residuals by its own bins, {sums}; the base rate",
        ),
        Disclosure(
            to=BUREAU,
            what=f"how many rows the book has; objective and AUC after each round; rows, defaults, score bands, {sums}",
        ),
    ]
    if others:
        exactly = ", which is this bank's part exactly, since there are two" if others == 1 else ""
        found.append(
            Disclosure(
                to="each other bank",
                what=f"sums over banks of feature histograms, gradients and scores by label{exactly}",
            )
        )
    return tuple(found)


def _party(home: Home, name: ParticipantId, role: Role) -> Party:
    try:
        fingerprint = home.pinned_fingerprint(name).hex()
    except UntrustedKey:
        fingerprint = ""
    return Party(participant_id=name, role=role, title=_title(home, name), fingerprint=fingerprint)


def _title(home: Home, name: ParticipantId) -> str:
    try:
        return home.pins.document(name).title
    except YurongError:
        return ""


def _shown(fingerprint: str) -> str:
    if not fingerprint:
        return "NOT PINNED: compare its fingerprint by telephone and pin it before the run can go on"
    return " ".join(fingerprint[start : start + 4] for start in range(0, len(fingerprint), 4))
