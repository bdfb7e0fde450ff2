"""What is said and masked in a turn is bound to all of it: to every department and every bank that takes part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId, RunId
from crypto.masks import MaskContext, MemoryLedger
from models.wire.steps import Purpose, Step
from models.wire.training import Turn
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.online_rehearsal import OnlineRehearsal

ROWS = 64


class EndsWithTheTest(FileLedger):
    """A ledger in memory alone, so that the shared homes stay as they are."""

    def __init__(self) -> None:
        self._memory = MemoryLedger()

    def claim(self, digest: bytes) -> None:
        self._memory.claim(digest)


def run_of(rehearsal: OnlineRehearsal, name: ParticipantId) -> Run:
    home = rehearsal.home(name)
    return Run(home, home.identity(), EndsWithTheTest(), RunId("drawn"))


def turn_in(rehearsal: OnlineRehearsal) -> Turn:
    plan = run_of(rehearsal, rehearsal.bank).plan
    return Turn(run_id=plan.run_id, round=1, attempt=1, departments=plan.departments, banks=plan.banks)


def sum_of_masks(rehearsal: OnlineRehearsal, told: dict[ParticipantId, Turn]) -> NDArray[np.uint64]:
    """What is left of the masks of an image's sum when everybody was told of a turn."""
    total = np.zeros(ROWS, dtype=np.uint64)
    for name, turn in told.items():
        run = run_of(rehearsal, name)
        members = (*turn.departments, rehearsal.bank)
        total += run.secrets.zero_sum_mask(run.mask_context(turn, Purpose.IMAGE, rehearsal.bank, members), ROWS)
    return total


def test_a_department_that_was_told_of_fewer_banks_spoils_the_sum_where_masks_are_bound_to_the_turn(
    monkeypatch: pytest.MonkeyPatch, rehearsal: OnlineRehearsal
) -> None:
    # A bureau has a round tried again. One department alone is told of one bank fewer, so its gradient and direction
    # are others; those of the rest are as before. The difference of the bank's two sums would be that department's.
    honest = turn_in(rehearsal)
    everybody = dict.fromkeys((*rehearsal.drawn.departments, rehearsal.bank), honest)
    assert not sum_of_masks(rehearsal, everybody).any()
    fewer = replace(honest, banks=(rehearsal.bank,))
    mixed = everybody | {rehearsal.drawn.departments[0]: fewer}
    with monkeypatch.context() as weakened:
        bound = Run.mask_context

        def unbound(run: Run, turn: Turn, purpose: Purpose, direction: str, members: tuple[str, ...]) -> MaskContext:
            return replace(bound(run, turn, purpose, direction, members), direction=direction)

        weakened.setattr(Run, "mask_context", unbound)
        assert not sum_of_masks(rehearsal, mixed).any()
    # A word of 64 that is zero by chance: 2^-58.
    assert sum_of_masks(rehearsal, mixed).all()


def test_what_was_said_among_some_banks_is_not_heard_among_others(rehearsal: OnlineRehearsal) -> None:
    honest, department = turn_in(rehearsal), rehearsal.drawn.departments[0]
    letter = run_of(rehearsal, rehearsal.bank).say(Step.OPEN, honest, b"words", to=(department,))
    listener = run_of(rehearsal, department)
    assert listener.hear(letter, Step.OPEN, honest, sender=rehearsal.bank) == b"words"
    with pytest.raises(PeerError, match="another place"):
        listener.hear(letter, Step.OPEN, replace(honest, banks=(rehearsal.bank,)), sender=rehearsal.bank)


def test_a_turn_without_banks_is_refused(rehearsal: OnlineRehearsal) -> None:
    department = run_of(rehearsal, rehearsal.drawn.departments[0])
    with pytest.raises(PeerError):
        department.check_turn(replace(turn_in(rehearsal), banks=()))
