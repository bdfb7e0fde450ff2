"""A bureau that asks for what it was given already, in another way: for bounds to move, or to read off answers.

The requests of a run that was conducted honestly are sent again, or with one thing changed that nobody signs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from crypto.documents import parse_canonical_json
from crypto.errors import PeerError, ProtectionUnavailable, ProtocolStateError, YurongError
from crypto.identifiers import ParticipantId
from models.wire.codec import WireMessage, pack_words, unpack_words
from models.wire.outcome import Conclusion
from models.wire.requests import read_request
from models.wire.steps import Step
from models.wire.training import GradientRequest, Residuals
from participants.bank.evaluations import MAXIMUM_EVALUATIONS, Evaluations
from participants.department.standing import StandingPost
from participants.node import Node
from participants.runs.run import Run
from simulations.engines.local_grid import BUREAU
from simulations.founding import FoundedFederation
from simulations.rehearsal import FinishedRun, observe
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS

TAX = ParticipantId("tax")
EAST, NORTH = ParticipantId("bank-east"), ParticipantId("bank-north")


@dataclass(frozen=True, slots=True)
class Bureau:
    """What a bureau can do with a run that it has conducted."""

    run: FinishedRun

    def request(self, to: ParticipantId, step: Step, number: int = 1) -> Any:
        """The request of a step that `to` got for the `number`-th time."""
        sent = [one for one in self.run.bureau.letters if (one.sender, one.receiver, one.kind) == (BUREAU, to, step)]
        return read_request(step, sent[number - 1].payload)

    def ask(self, whom: ParticipantId, step: Step, request: WireMessage) -> bytes:
        return Node.open(self.home(whom)).handle(step, request.encode())

    def home(self, whom: ParticipantId) -> Path:
        return self.run.federation.homes[whom]

    def side_of(self, whom: ParticipantId) -> Run:
        """A participant's own side of the run, for what only it can sign."""
        node = Node.open(self.home(whom))
        return Run(node.home, node.home.identity(), node._ledger, self.run.plan.run)

    def kept(self, whom: ParticipantId) -> dict[str, bytes]:
        """All files of a home; but the index that SQLite keeps of its log is marked by whoever reads."""
        files = (path for path in self.home(whom).rglob("*") if path.is_file() and not path.name.endswith("-shm"))
        return {str(path): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def bureau(federation: FoundedFederation) -> Bureau:
    return Bureau(observe(federation, plan_run(federation, SETTINGS, purpose="questions asked again")))


SETUP: dict[tuple[ParticipantId, Step], dict[str, Any]] = {
    (EAST, Step.MEET): {"bank_features": ()},
    (TAX, Step.ANSWER_BLINDED): {"blinded": ()},
    (EAST, Step.ORDER_COHORT): {"answers": ()},
    (TAX, Step.TAKE_COHORT): {"orders": ()},
    (TAX, Step.BIN_DEPARTMENT): {},  # there is one such request
    (EAST, Step.BIN_BANK): {},
    (EAST, Step.CURVE_BANK): {"words": b""},
    (EAST, Step.BEGIN): {"largest_block": 4},
}


@pytest.mark.parametrize(("whom", "step"), SETUP)
def test_a_step_of_the_set_up_is_taken_once_and_answered_the_same_again(
    whom: ParticipantId, step: Step, bureau: Bureau
) -> None:
    # A second order of a cohort at one department alone would give the bank that department's directions; a second
    # alignment more ids to ask about than it may; a second begin other bounds.
    before, request = bureau.kept(whom), bureau.request(whom, step)
    (given,) = [one for one in bureau.run.bureau.letters if (one.sender, one.kind) == (whom, step)]
    assert bureau.ask(whom, step, request) == given.payload
    if SETUP[whom, step]:
        with pytest.raises(PeerError, match="taken before"):
            bureau.ask(whom, step, replace(request, **SETUP[whom, step]))
    assert bureau.kept(whom) == before


def test_other_documents_do_not_take_the_place_of_those_of_a_run_that_is_under_way(bureau: Bureau) -> None:
    request = bureau.request(TAX, Step.MEET)
    with pytest.raises(PeerError, match="taken before"):
        bureau.ask(TAX, Step.MEET, replace(request, bank_features=()))


def residuals_that_are_signed_too(bureau: Bureau) -> GradientRequest:
    """The second round's request, with other residuals of one bank: its first round had ended twice."""
    bank, first, second = (
        bureau.side_of(EAST),
        bureau.request(TAX, Step.GRADIENT, 1),
        bureau.request(TAX, Step.GRADIENT, 2),
    )
    body = bureau.side_of(TAX).hear_standing(first.residuals[0].payload, Step.SEARCH, 1, sender=EAST)
    assert Residuals.decode(body).rows
    letter = bank.say(Step.SEARCH, bank.standing_turn(2), body, to=bank.plan.department_ids)
    changed = (replace(second.residuals[0], payload=letter), *second.residuals[1:])
    attack: GradientRequest = replace(
        second, residuals=changed, turn=replace(second.turn, attempt=second.turn.attempt + 1)
    )
    return attack


def test_other_residuals_for_the_same_round_are_taken_by_who_forgets_the_first_and_refused_by_ours(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = residuals_that_are_signed_too(bureau)
    with monkeypatch.context() as weakened:
        weakened.setattr(StandingPost, "hold_residuals", lambda *_: None)
        bureau.ask(TAX, Step.GRADIENT, attack)
    with pytest.raises(PeerError, match="other residuals"):
        bureau.ask(TAX, Step.GRADIENT, attack)


def test_a_bank_that_is_told_that_it_is_alone_counts_its_own_rows(bureau: Bureau) -> None:
    request = bureau.request(EAST, Step.OPEN, 3)
    alone = replace(request.turn, attempt=request.turn.attempt + 1, banks=(EAST,))
    with pytest.raises(ProtectionUnavailable, match="training rows"):
        bureau.ask(EAST, Step.OPEN, replace(request, turn=alone))


@pytest.mark.parametrize("number", [1, 2])
def test_a_step_of_a_search_is_answered_once(number: int, bureau: Bureau) -> None:
    # Answers say the objective and the AUC at a sum that the bureau has added to.
    before = bureau.kept(EAST)
    with pytest.raises(ProtocolStateError, match="taken"):
        bureau.ask(EAST, Step.NEWTON, bureau.request(EAST, Step.NEWTON, number))
    assert bureau.kept(EAST) == before


def test_a_sum_of_an_attempt_that_was_not_opened_is_not_searched(bureau: Bureau) -> None:
    request = bureau.request(EAST, Step.SEARCH, 3)
    with pytest.raises(ProtocolStateError, match="taken"):
        bureau.ask(EAST, Step.SEARCH, replace(request, turn=replace(request.turn, attempt=request.turn.attempt + 1)))


def with_one_more(counts: bytes, cell: int) -> bytes:
    words = unpack_words(counts, len(counts) // 8).copy()
    words[cell] += 1
    return pack_words(words)


def test_counts_that_are_concluded_again_with_one_more_are_read_off_unless_they_are_concluded_once(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = bureau.request(EAST, Step.CONCLUDE)
    known = parse_canonical_json(Conclusion.decode(bureau.ask(EAST, Step.CONCLUDE, request)).metrics)
    attack = replace(request, counts=with_one_more(request.counts, 2000))
    with monkeypatch.context() as weakened:
        weakened.setattr(Evaluations, "conclude", lambda *_: None)
        read = parse_canonical_json(Conclusion.decode(bureau.ask(EAST, Step.CONCLUDE, attack)).metrics)
        assert read["held_out"]["rows"] == known["held_out"]["rows"] + 1
        assert read["held_out"]["auc"] != known["held_out"]["auc"], "which says how many have lower scores"
    with pytest.raises(PeerError, match="another sum"):
        bureau.ask(EAST, Step.CONCLUDE, attack)


def test_counts_that_were_never_made_are_not_concluded(bureau: Bureau) -> None:
    request = bureau.request(EAST, Step.CONCLUDE)
    elsewhere = replace(request.turn, attempt=request.turn.attempt + 1)
    with pytest.raises(PeerError, match="not counted"):
        bureau.ask(EAST, Step.CONCLUDE, replace(request, turn=elsewhere))


def test_a_bureau_does_not_get_the_metrics_of_one_bank_by_leaving_out_the_other(bureau: Bureau) -> None:
    request = bureau.request(EAST, Step.EVALUATE)
    for changes in ({"banks": (EAST,)}, {"round": request.turn.round - 1}):
        turn = replace(request.turn, attempt=request.turn.attempt + 2, **changes)
        with pytest.raises(YurongError, match="evaluation"):
            bureau.ask(EAST, Step.EVALUATE, replace(request, turn=turn))


def test_a_run_is_not_evaluated_for_ever(bureau: Bureau) -> None:
    request = bureau.request(NORTH, Step.EVALUATE)
    turns = [replace(request.turn, attempt=request.turn.attempt + 10 + more) for more in range(MAXIMUM_EVALUATIONS)]
    for turn in turns[:-1]:
        bureau.ask(NORTH, Step.EVALUATE, replace(request, turn=turn))
    with pytest.raises(PeerError, match="too often"):
        bureau.ask(NORTH, Step.EVALUATE, replace(request, turn=turns[-1]))
