"""The bureau conducts the set-up of a run: who takes part, the alignment, and the binning.

It relays signed documents and sealed or blinded post and adds up masked words. What it learns: who takes part, how many
rows each bank's cohort has, how many enterprises each department holds, and the size of each block.
"""

from __future__ import annotations

from dataclasses import dataclass

from coordinator.federation import Federation, by_recipient, post_for, sum_of_words
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


def gather(federation: Federation) -> MeetRequest:
    """Propose the plan to everybody and collect their documents."""
    plan = federation.plan
    everybody = (*plan.department_ids, *plan.bank_ids)
    request = JoinRequest(plan=plan.encode())
    replies = federation.ask(Step.JOIN, dict.fromkeys(everybody, request), JoinReply)
    features = {replies[bank].bank_features for bank in plan.bank_ids}
    if len(features) != 1:
        raise PeerError(
            "the banks do not have the same features of their own", advice="banks that train together agree on them"
        )
    return MeetRequest(
        run_id=plan.run_id,
        documents=post({name: reply.document for name, reply in replies.items()}),
        lattice_keys=post({bank: replies[bank].lattice_key for bank in plan.bank_ids}),
        bank_features=features.pop(),
    )


def align(federation: Federation, introduction: MeetRequest) -> tuple[CohortSize, ...]:
    """Introduce everybody, intersect each bank with each department and give the departments their cohorts."""
    plan = federation.plan
    met = federation.ask(Step.MEET, dict.fromkeys((*plan.department_ids, *plan.bank_ids), introduction), MeetReply)
    blinded = BlindedRequest(run_id=plan.run_id, blinded=post({bank: met[bank].blinded for bank in plan.bank_ids}))
    answered = federation.ask(Step.ANSWER_BLINDED, dict.fromkeys(plan.department_ids, blinded), BlindedReply)
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
    ordered = federation.ask(Step.ORDER_COHORT, requests, OrderReply)
    orders = by_recipient({bank: reply.orders for bank, reply in ordered.items()})
    cohorts = {
        department: CohortRequest(run_id=plan.run_id, orders=post_for(department, orders))
        for department in plan.department_ids
    }
    federation.ask(Step.TAKE_COHORT, cohorts, Done)
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
    shapes = federation.ask(Step.BIN_DEPARTMENT, dict.fromkeys(plan.department_ids, request), BlockShape)
    counts = federation.ask(Step.BIN_BANK, dict.fromkeys(plan.bank_ids, request), MaskedWords)
    summed = SummedWords(run_id=plan.run_id, words=sum_of_words(share.words for share in counts.values()))
    curvature = federation.ask(Step.CURVE_BANK, dict.fromkeys(plan.bank_ids, summed), MaskedWords)
    begin = BeginRequest(
        run_id=plan.run_id,
        totals=sum_of_words(share.words for share in curvature.values()),
        cohorts=cohorts,
        largest_block=max(shape.parameters for shape in shapes.values()),
        entry_bits=max(shape.entry_bits for shape in shapes.values()),
    )
    return Binned(begin=begin, parameters={name: shape.parameters for name, shape in shapes.items()})
