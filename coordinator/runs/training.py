"""The bureau conducts training: rounds of `docs/protocols.md`, "Training", with attempts, losses and checkpoints.

A participant that is lost ends the round's attempt. The round is tried again with everybody, since most losses pass;
one that is lost twice in a round is left out of it: a department for this round (its parameters stay as they are and
it may come back in the next), a bank for the rest of the run. Masks of an attempt are never used in another.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from coordinator.errors import ParticipantRefused, ParticipantsLost
from coordinator.flower.bus import Clock
from coordinator.runs.checkpoint import Checkpoint, CheckpointStore, RoundRecord
from coordinator.runs.federation import Federation, by_recipient, lost_by, post_for, sum_of_words
from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from models.wire.envelope import Addressed, post
from models.wire.plan import require_enough_departments
from models.wire.steps import Step
from models.wire.training import (
    BeginRequest,
    DirectionReply,
    DirectionRequest,
    GradientReply,
    GradientRequest,
    NewtonRequest,
    OpenReply,
    OpenRequest,
    Progress,
    RoundOutcome,
    SearchReply,
    SearchRequest,
    Turn,
)

LOSSES_BEFORE_LEAVING_OUT = 2

Outcomes = dict[ParticipantId, RoundOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFinished:
    """News of a round, for whoever watches."""

    round: int
    maximum_rounds: int
    seconds: float
    objective: float
    auc_held_out: float | None
    left_out: tuple[ParticipantId, ...]


class Training:
    """Conducts rounds until the banks say that training is over."""

    def __init__(
        self, federation: Federation, checkpoints: CheckpointStore, clock: Clock, watch: Callable[[RoundFinished], None]
    ) -> None:
        self._federation = federation
        self._checkpoints = checkpoints
        self._clock = clock
        self._watch = watch
        # Attempts are numbered from a random start in each process, so that one that was under way when a former
        # process stopped is not made a second time. (Participants would refuse it: its masks are used.)
        self._first_attempt = secrets.randbelow(1 << 31)

    def begin(self, request: BeginRequest, parameters: dict[ParticipantId, int]) -> Checkpoint:
        """Have the banks check the run's protection and send their first residuals."""
        plan = self._federation.plan
        outcomes = self._federation.insist(Step.BEGIN, dict.fromkeys(plan.bank_ids, request), RoundOutcome)
        checkpoint = Checkpoint(
            plan=plan.encode(),
            begin=request,
            parameters=tuple(sorted(parameters.items())),
            banks=plan.banks,
            outcomes=tuple((bank, outcomes[bank].encode()) for bank in plan.bank_ids),
            rounds=(),
            finished=False,
        )
        self._checkpoints.save(checkpoint)
        return checkpoint

    def go_on(self, checkpoint: Checkpoint) -> Checkpoint:
        """Conduct rounds from a checkpoint to the end of training."""
        while not checkpoint.finished:
            checkpoint = self._round(checkpoint)
            self._checkpoints.save(checkpoint)
            last = checkpoint.rounds[-1]
            self._watch(
                RoundFinished(
                    round=len(checkpoint.rounds),
                    maximum_rounds=self._federation.plan.maximum_rounds,
                    seconds=last.seconds,
                    objective=last.objective,
                    auc_held_out=last.auc_held_out,
                    left_out=tuple(ParticipantId(name) for name in last.left_out),
                )
            )
        return checkpoint

    def _round(self, checkpoint: Checkpoint) -> Checkpoint:
        """One finished round, in as many attempts as it takes."""
        began = self._clock.monotonic()
        losses: Counter[ParticipantId] = Counter()
        plan = self._federation.plan
        departments, banks = plan.departments, checkpoint.banks
        attempts = 0
        while True:
            attempts += 1
            turn = Turn(
                run_id=plan.run_id,
                round=len(checkpoint.rounds) + 1,
                attempt=self._first_attempt + attempts,
                departments=departments,
                banks=banks,
            )
            try:
                outcomes = self._attempt(turn, checkpoint.round_outcomes())
                break
            except (ParticipantsLost, ParticipantRefused) as loss:
                lost = lost_by(loss)
                self._federation.wait_for(lost)
                losses.update(lost)
                left_out = {name for name, count in losses.items() if count >= LOSSES_BEFORE_LEAVING_OUT}
                departments = tuple(name for name in plan.departments if name not in left_out)
                banks = tuple(name for name in checkpoint.banks if name not in left_out)
                if not banks:
                    raise
                require_enough_departments(len(departments))
        return _advance(checkpoint, turn, outcomes, seconds=self._clock.monotonic() - began, attempts=attempts)

    def _attempt(self, turn: Turn, former: Outcomes) -> Outcomes:
        ask = self._federation.ask
        departments = tuple(ParticipantId(name) for name in turn.departments)
        banks = tuple(ParticipantId(name) for name in turn.banks)
        residuals = post({bank: former[bank].residuals for bank in banks})
        coefficients = _payloads(former[banks[0]].coefficients)
        multiplied = ask(
            Step.GRADIENT,
            {
                name: GradientRequest(turn=turn, residuals=residuals, coefficients=coefficients[name])
                for name in departments
            },
            GradientReply,
        )
        products = by_recipient({name: reply.products for name, reply in multiplied.items()})
        opened = ask(
            Step.OPEN, {bank: OpenRequest(turn=turn, products=post_for(bank, products)) for bank in banks}, OpenReply
        )
        numbers = by_recipient({bank: reply.opened for bank, reply in opened.items()})
        directed = ask(
            Step.DIRECTION,
            {name: DirectionRequest(turn=turn, opened=post_for(name, numbers)) for name in departments},
            DirectionReply,
        )
        images = by_recipient({name: reply.images for name, reply in directed.items()})
        bank_gradient = sum_of_words(reply.bank_gradient for reply in opened.values())
        searched = ask(
            Step.SEARCH,
            {
                bank: SearchRequest(turn=turn, image=sum_of_words(images[bank].values()), bank_gradient=bank_gradient)
                for bank in banks
            },
            SearchReply,
        )
        return self._search(turn, searched)

    def _search(self, turn: Turn, replies: dict[ParticipantId, SearchReply]) -> Outcomes:
        """Add up the banks' statistics until they agree that the round is done."""
        step = 0
        while any(reply.outcome is None for reply in replies.values()):
            request = NewtonRequest(
                turn=turn, step=step, statistics=sum_of_words(reply.statistics for reply in replies.values())
            )
            replies = self._federation.ask(Step.NEWTON, dict.fromkeys(replies, request), SearchReply)
            step += 1
        return {bank: reply.outcome for bank, reply in replies.items() if reply.outcome is not None}


def _advance(checkpoint: Checkpoint, turn: Turn, outcomes: Outcomes, *, seconds: float, attempts: int) -> Checkpoint:
    first = outcomes[ParticipantId(turn.banks[0])]
    progress = first.progress
    if progress is None or any(outcome.finished != first.finished for outcome in outcomes.values()):
        raise PeerError("the banks do not agree on how the round ended")
    record = _record(checkpoint, turn, progress, seconds=seconds, attempts=attempts)
    return replace(
        checkpoint,
        banks=turn.banks,
        outcomes=tuple((bank, outcomes[ParticipantId(bank)].encode()) for bank in turn.banks),
        rounds=(*checkpoint.rounds, record),
        finished=first.finished,
    )


def _record(checkpoint: Checkpoint, turn: Turn, progress: Progress, *, seconds: float, attempts: int) -> RoundRecord:
    plan = checkpoint.run_plan()
    everybody = {*plan.departments, *plan.banks}
    return RoundRecord(
        seconds=seconds,
        attempts=attempts,
        objective=progress.objective,
        auc_held_out=progress.auc_held_out,
        newton_steps=progress.newton_steps,
        left_out=tuple(sorted(everybody - set(turn.departments) - set(turn.banks))),
    )


def _payloads(letters: tuple[Addressed, ...]) -> dict[ParticipantId, bytes]:
    return {ParticipantId(letter.participant): letter.payload for letter in letters}
