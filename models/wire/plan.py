"""The plan of a run: everything that its participants agree on before the first ciphertext.

The plan is public inside a run. Its digest is bound into every mask and every envelope, so participants that were
given different plans cannot produce anything that another accepts, and their masks do not cancel.

A run whose set-up fails is begun anew as its next attempt, with new masks: the same plan under the run's id and `-a2`,
`-a3` and so on. People approve the proposal, which is the plan of the first attempt; it stands for all of them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import msgspec

from crypto.errors import MalformedMessage, ProtectionUnavailable, TooFewMembers
from crypto.identifiers import ParticipantId, RunId, parse_participant_id
from models.wire.codec import Name, WireMessage

MAXIMUM_ATTEMPTS = 5
"""How often the set-up of a run that was approved once may be begun."""

MINIMUM_DEPARTMENTS = 3
ROWS_PER_ROUND_AND_PARAMETER = 10

_LATER_ATTEMPT = re.compile(r"(.+)-a([2-9])")

_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan(WireMessage):
    """What is trained, by whom, and with which settings."""

    run_id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,64}\Z")]
    purpose: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    departments: tuple[Name, ...]
    banks: tuple[Name, ...]
    maximum_rounds: Annotated[int, msgspec.Meta(ge=1, le=64)]
    tolerance: _Positive  # relative decrease of the objective in a round, below which training ends
    block: Literal["binned", "linear"]  # the kind of every department's block
    maximum_bins: Annotated[int, msgspec.Meta(ge=2, le=64)]
    parameter_limit: Annotated[int, msgspec.Meta(ge=4, le=100_000)]  # of the largest block
    smoothness: _Positive  # weight of squared second differences between neighbouring bins
    ridge: _Positive  # weight of squared parameters

    @classmethod
    def decode(cls, data: bytes) -> RunPlan:
        """Read a plan and check that it makes sense; raises `MalformedMessage`."""
        plan = super(RunPlan, cls).decode(data)
        for members in (plan.departments, plan.banks):
            if not members or list(members) != sorted(set(members)):
                raise MalformedMessage("the plan's participants are not a sorted list of distinct names")
            for name in members:
                parse_participant_id(name)  # it becomes part of paths
        if set(plan.departments) & set(plan.banks):
            raise MalformedMessage("a participant of the plan is both department and bank")
        if not plan.purpose.isprintable():
            # An operator reads it on a terminal, which other characters command.
            raise MalformedMessage("the plan's purpose is not printable")
        if attempt_of(plan.proposal().run_id)[1] != 1:
            # What is counted for an attempt would be looked for under another run's name.
            raise MalformedMessage("the plan is of an attempt of an attempt")
        return plan

    def digest(self) -> bytes:
        """SHA-256 of the plan's canonical bytes."""
        return hashlib.sha256(self.encode()).digest()

    def proposal(self) -> RunPlan:
        """The plan that people approve: this one, as its run's first attempt."""
        return replace(self, run_id=attempt_of(self.run_id)[0])

    def as_attempt(self, attempt: int) -> RunPlan:
        """The plan of another attempt of the same run; the first is 1."""
        run_id, _ = attempt_of(self.run_id)
        return replace(self, run_id=run_id if attempt == 1 else f"{run_id}-a{attempt}")

    @property
    def run(self) -> RunId:
        """The run's id, typed."""
        return RunId(self.run_id)

    @property
    def department_ids(self) -> tuple[ParticipantId, ...]:
        """The departments, sorted."""
        return tuple(ParticipantId(name) for name in self.departments)

    @property
    def bank_ids(self) -> tuple[ParticipantId, ...]:
        """The banks, sorted."""
        return tuple(ParticipantId(name) for name in self.banks)


def attempt_of(run_id: str) -> tuple[RunId, int]:
    """The run that was proposed, and which attempt of it an id names."""
    later = _LATER_ATTEMPT.fullmatch(run_id)
    return (RunId(run_id), 1) if later is None else (RunId(later[1]), int(later[2]))


def require_enough_departments(departments: int, *, minimum: int = MINIMUM_DEPARTMENTS) -> None:
    """Refuse a masked sum over fewer than `minimum` departments; raises `TooFewMembers`.

    Who wants more than `MINIMUM_DEPARTMENTS` says so; nobody gets less.
    """
    minimum = max(minimum, MINIMUM_DEPARTMENTS)
    if departments < minimum:
        raise TooFewMembers(
            f"a masked sum over {departments} departments hides too little",
            advice=f"start a run with at least {minimum} departments",
        )


def require_enough_rows(*, training_rows: int, rounds: int, largest_block: int) -> None:
    """Refuse a run whose gradients could be solved for single residuals.

    A department learns, each round, one number a parameter of its block; `training_rows` must be ten times all of them
    (`docs/protocols.md`, "Training"). Raises `ProtectionUnavailable`.
    """
    needed = ROWS_PER_ROUND_AND_PARAMETER * rounds * largest_block
    if training_rows < needed:
        raise ProtectionUnavailable(
            f"{training_rows} training rows do not cover {rounds} rounds with blocks of {largest_block} parameters "
            f"({needed} are needed)",
            advice="use more borrowers, fewer bins or fewer rounds",
        )
