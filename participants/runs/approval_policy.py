"""Which runs a participant takes part in without asking a person: `approval.toml` in its home.

Without the file every run waits for the operator. A run that would use a feature that is never to be used is refused,
whoever approves it. So while there is a file that cannot be used, or that names a feature which the contract does not
know, nobody approves anything and no attempt is begun; where pending runs are shown it says why.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from crypto.identifiers import ParticipantId
from models.hosting.storage.files import private_file
from models.wire.plan import RunPlan
from participants.errors import PolicyRefused
from participants.records.contract import Item

POLICY_FILE: Final = "approval.toml"
ANY: Final = "any"
DAYS: Final = 30

TEMPLATE: Final = """\
# Runs of training that this participant takes part in without asking a person.
# As it stands, this file approves nothing. Every key must be there; unknown keys are refused.

# Exact texts of purposes, or "any".
purposes = []

# Participant ids that may take part, beside this one; or "any".
banks = []
departments = []

# The most rounds that a run may have: each costs a bank as many numbers as a block has parameters,
# and a department one sum for each row of each bank.
maximum_rounds = 10

# The most parameters that a department's block may have.
maximum_parameters = 400

# The most runs that are approved in 30 days, by the operator or by this file.
maximum_runs_in_30_days = 2

# Features of this participant's contract that no run may use. A run that would use one is refused.
# While a name in here is none of the contract's items, nothing is approved: it may be misspelt.
features_never_used = []
"""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    purposes: list[str] | str
    banks: list[str] | str
    departments: list[str] | str
    maximum_rounds: int
    maximum_parameters: int
    maximum_runs_in_30_days: int
    features_never_used: list[str]


class Verdict(StrEnum):
    """What a policy says to a run."""

    APPROVE = "approve"
    ASK = "ask"
    REFUSE = "refuse"
    WAIT = "wait"
    """Nobody knows what may never be used, so nobody decides."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verdict and, unless it approves, the reasons in plain words."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """A policy that was read."""

    keys: _File

    @classmethod
    def read(cls, home: Path) -> ApprovalPolicy | None:
        """The policy of a home, None if it has none; raises `PolicyRefused` for one that cannot be used."""
        try:
            text = (home / POLICY_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as fault:
            raise _refused(type(fault).__name__) from None
        try:
            keys = msgspec.convert(tomllib.loads(text), _File)
        except tomllib.TOMLDecodeError as fault:
            raise _refused(f"not TOML: {fault}") from None
        except msgspec.ValidationError as fault:
            raise _refused(str(fault)) from None
        for name in ("purposes", "banks", "departments"):
            if isinstance(getattr(keys, name), str) and getattr(keys, name) != ANY:
                raise _refused(f'`{name}` is a list of texts or "{ANY}"')
        return cls(keys)

    def opinion(self, plan: RunPlan, *, me: ParticipantId, items: Sequence[Item], approved_in_30_days: int) -> Opinion:
        """What this policy says to a plan that would use the features among `items`, all of this participant's."""
        if forbidden := [item.name for item in items if item.feature and item.name in self.keys.features_never_used]:
            return Opinion(Verdict.REFUSE, (f"it would use {', '.join(forbidden)}, which no run may use",))
        if unknown := sorted(set(self.keys.features_never_used) - {item.name for item in items}):
            reason = f"{POLICY_FILE} names {', '.join(unknown)} as never used, which the data contract does not know"
            return Opinion(Verdict.WAIT, (reason,))
        keys, reasons = self.keys, []
        if not _allowed(keys.purposes, [plan.purpose]):
            reasons.append("its purpose is not one of the policy's")
        sides = (("bank", keys.banks, plan.banks), ("department", keys.departments, plan.departments))
        for kind, allowed, named in sides:
            others = [name for name in named if name != me and not _allowed(allowed, [name])]
            if others:
                reasons.append(f"the policy does not name the {kind} {', '.join(others)}")
        if plan.maximum_rounds > keys.maximum_rounds:
            reasons.append(f"{plan.maximum_rounds} rounds; the policy allows {keys.maximum_rounds}")
        if plan.parameter_limit > keys.maximum_parameters:
            reasons.append(f"{plan.parameter_limit} parameters; the policy allows {keys.maximum_parameters}")
        if approved_in_30_days >= keys.maximum_runs_in_30_days:
            reasons.append(f"{approved_in_30_days} runs were approved in {DAYS} days already")
        return Opinion(Verdict.ASK, tuple(reasons)) if reasons else Opinion(Verdict.APPROVE)


def write_template(home: Path) -> None:
    """Put a policy into a home that approves nothing and explains every key."""
    private_file(home / POLICY_FILE, TEMPLATE.encode())


def approve_everything(home: Path) -> None:
    """Put a policy into a home that approves every run: for a federation that one person plays on one machine."""
    values: dict[str, Any] = {
        **dict.fromkeys(("purposes", "banks", "departments"), f'"{ANY}"'),
        **dict.fromkeys(("maximum_rounds", "maximum_parameters", "maximum_runs_in_30_days"), 1_000_000),
        "features_never_used": [],
    }
    lines = ["# One person plays everybody here: every run is approved.", *(f"{key} = {values[key]}" for key in values)]
    private_file(home / POLICY_FILE, ("\n".join(lines) + "\n").encode())


def _allowed(allowed: list[str] | str, names: Iterable[str]) -> bool:
    return allowed == ANY or all(name in allowed for name in names)


def _refused(what: str) -> PolicyRefused:
    return PolicyRefused(
        f"{POLICY_FILE} cannot be used: {' '.join(what.split())}", advice="It approves nothing until it is corrected."
    )
