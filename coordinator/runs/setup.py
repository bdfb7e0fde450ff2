"""The bureau conducts the set-up of a run: who takes part, the alignment, and the binning.

It relays signed documents and sealed or blinded post and adds up masked words. What it learns: who takes part, how many
rows each bank's cohort has, how many enterprises each department holds, and the size of each block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from coordinator.errors import ApprovalsMissing, LossReason, ParticipantRefused, ParticipantsLost
from coordinator.flower.bus import Clock, Poll
from coordinator.runs.federation import TIMES_ASKED, Federation, by_recipient, post_for, sum_of_words
from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from models.wire.binning import BinRequest, BlockShape, MaskedWords, SummedWords
from models.wire.envelope import post
from models.wire.setup import (
    BlindedReply,
    BlindedRequest,
    CohortRequest,
    Done,
    JoinReply,
    JoinRequest,
    MeetReply,
    MeetRequest,
    OrderReply,
    OrderRequest,
)
from models.wire.steps import Step
from models.wire.training import BeginRequest, CohortSize
from models.wire.transport import Refusal

PAUSE_SECONDS = 5.0
"""Between two times that those are asked who have not decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long people may take to approve a run.

    `watch` is given the names of those who have not decided, and why others are not reached, whenever that changes.
    """

    clock: Clock
    watch: Callable[[tuple[ParticipantId, ...], Mapping[ParticipantId, LossReason]], None]
    approval_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everybody's documents, and the departments' words for the log that they take part."""

    introduction: MeetRequest
    permissions: tuple[bytes, ...]


def gather(federation: Federation, patience: Patience) -> Gathered:
    """Propose the plan to everybody, wait until all have approved it, and collect what they say.

    Raises `ParticipantRefused` as soon as one wants no part in it, and `ApprovalsMissing`.
    """
    plan = federation.plan
    everybody = (*plan.department_ids, *plan.bank_ids)
    replies = _approved(federation, everybody, patience)
    features = {replies[bank].bank_features for bank in plan.bank_ids}
    if len(features) != 1:
        raise PeerError(
            "the banks do not have the same features of their own", advice="banks that train together agree on them"
        )
    introduction = MeetRequest(
        run_id=plan.run_id,
        documents=post({name: reply.document for name, reply in replies.items()}),
        lattice_keys=post({bank: replies[bank].lattice_key for bank in plan.bank_ids}),
        bank_features=features.pop(),
    )
    return Gathered(introduction, tuple(replies[name].permission for name in plan.department_ids))


def _approved(
    federation: Federation, everybody: tuple[ParticipantId, ...], patience: Patience
) -> dict[ParticipantId, JoinReply]:
    """Everybody's reply to the plan; who has not decided, or is not there, is asked again until the deadline."""
    request = JoinRequest(plan=federation.plan.encode())
    ends_at = patience.clock.monotonic() + patience.approval_seconds
    replies: dict[ParticipantId, JoinReply] = {}
    pending: tuple[ParticipantId, ...] = ()
    lost: Mapping[ParticipantId, LossReason] = {}
    for time in count(1):
        waiting = [name for name in everybody if name not in replies]
        said = federation.poll(Step.JOIN, dict.fromkeys(waiting, request))
        replies |= {name: JoinReply.decode(body) for name, body in said.replies.items()}
        _require_no_refusal(said)
        decides = tuple(sorted(name for name, code in said.refusals.items() if code == Refusal.APPROVAL_PENDING))
        if (decides, said.lost) != (pending, lost):
            pending, lost = decides, said.lost
            patience.watch(pending, lost)
        if len(replies) == len(everybody):
            break
        undecided = said.lost or pending or time >= TIMES_ASKED  # who died over the request is asked again at once
        if undecided and patience.clock.monotonic() >= ends_at:
            if said.lost:
                raise ParticipantsLost(said.lost, said.replies)
            raise ApprovalsMissing(pending or said.refusals)
        patience.clock.sleep(PAUSE_SECONDS if pending or said.lost else 0.0)
    return replies


def _require_no_refusal(said: Poll) -> None:
    for name, code in said.refusals.items():
        if code not in {Refusal.APPROVAL_PENDING, Refusal.REQUEST_INTERRUPTED}:
            raise ParticipantRefused(name, code, said.replies)


def align(federation: Federation, introduction: MeetRequest) -> tuple[CohortSize, ...]:
    """Introduce everybody, intersect each bank with each department and give the departments their cohorts."""
    plan = federation.plan
    met = federation.insist(Step.MEET, dict.fromkeys((*plan.department_ids, *plan.bank_ids), introduction), MeetReply)
    blinded = BlindedRequest(run_id=plan.run_id, blinded=post({bank: met[bank].blinded for bank in plan.bank_ids}))
    answered = federation.insist(Step.ANSWER_BLINDED, dict.fromkeys(plan.department_ids, blinded), BlindedReply)
    answers = by_recipient({department: reply.answers for department, reply in answered.items()})
    group_keys = by_recipient({bank: met[bank].group_keys for bank in plan.bank_ids})
    requests = {
        bank: OrderRequest(
            run_id=plan.run_id,
            answers=post_for(bank, answers),
            group_key=b"".join(group_keys.get(bank, {}).values()),
        )
        for bank in plan.bank_ids
    }
    ordered = federation.insist(Step.ORDER_COHORT, requests, OrderReply)
    orders = by_recipient({bank: reply.orders for bank, reply in ordered.items()})
    cohorts = {
        department: CohortRequest(run_id=plan.run_id, orders=post_for(department, orders))
        for department in plan.department_ids
    }
    federation.insist(Step.TAKE_COHORT, cohorts, Done)
    return tuple(CohortSize(bank=bank, rows=ordered[bank].rows) for bank in plan.bank_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binned:
    """What binning told the bureau."""

    begin: BeginRequest
    parameters: dict[ParticipantId, int]


def bin_features(federation: Federation, cohorts: tuple[CohortSize, ...]) -> Binned:
    """Have departments cut their features, and banks those that they share."""
    plan = federation.plan
    request = BinRequest(run_id=plan.run_id)
    shapes = federation.insist(Step.BIN_DEPARTMENT, dict.fromkeys(plan.department_ids, request), BlockShape)
    counts = federation.insist(Step.BIN_BANK, dict.fromkeys(plan.bank_ids, request), MaskedWords)
    summed = SummedWords(run_id=plan.run_id, words=sum_of_words(share.words for share in counts.values()))
    curvature = federation.insist(Step.CURVE_BANK, dict.fromkeys(plan.bank_ids, summed), MaskedWords)
    begin = BeginRequest(
        run_id=plan.run_id,
        totals=sum_of_words(share.words for share in curvature.values()),
        cohorts=cohorts,
        largest_block=max(shape.parameters for shape in shapes.values()),
        entry_bits=max(shape.entry_bits for shape in shapes.values()),
    )
    return Binned(begin=begin, parameters={name: shape.parameters for name, shape in shapes.items()})
