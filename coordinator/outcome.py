"""The bureau conducts evaluation, the end of a run, and the scores of many."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from coordinator.checkpoint import Checkpoint
from coordinator.federation import Federation, sum_of_words
from crypto.documents import JsonObject, canonical_json, parse_canonical_json
from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from crypto.lattice.addition import add
from models.wire.binning import MaskedWords
from models.wire.outcome import (
    ActivateRequest,
    BlockReport,
    ConcludeRequest,
    Conclusion,
    EvaluateRequest,
    FinishRequest,
)
from models.wire.scoring import (
    AskScoresReply,
    AskScoresRequest,
    OpenScoresReply,
    OpenScoresRequest,
    PartialsReply,
    PartialsRequest,
)
from models.wire.setup import Done
from models.wire.steps import Step
from models.wire.training import Turn


def evaluate(federation: Federation, checkpoint: Checkpoint) -> JsonObject:
    """Metrics over all banks that are left, as all of them read them off the summed counts."""
    turn = _last_turn(federation, checkpoint)
    banks = tuple(ParticipantId(bank) for bank in turn.banks)
    counts = federation.ask(Step.EVALUATE, dict.fromkeys(banks, EvaluateRequest(turn=turn)), MaskedWords)
    request = ConcludeRequest(turn=turn, counts=sum_of_words(share.words for share in counts.values()))
    conclusions = federation.ask(Step.CONCLUDE, dict.fromkeys(banks, request), Conclusion)
    if len({conclusion.metrics for conclusion in conclusions.values()}) != 1:
        raise PeerError("the banks do not agree on the model's metrics")
    return parse_canonical_json(conclusions[banks[0]].metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedModel:
    """A model that all participants have bound their blocks to."""

    manifest: bytes
    blocks: dict[ParticipantId, BlockReport]


def finish(federation: Federation, checkpoint: Checkpoint, metrics: JsonObject) -> FinishedModel:
    """Have everybody save its block, write the manifest, and have everybody bind its block to it."""
    plan = federation.plan
    turn = _last_turn(federation, checkpoint)
    first = checkpoint.round_outcomes()[ParticipantId(turn.banks[0])]
    coefficients = {ParticipantId(letter.participant): letter.payload for letter in first.coefficients}
    requests = {
        name: FinishRequest(turn=turn, coefficients=coefficients.get(name, b""))
        for name in (*plan.department_ids, *(ParticipantId(bank) for bank in turn.banks))
    }
    blocks = federation.ask(Step.FINISH, requests, BlockReport)
    manifest = canonical_json(
        {
            "run_id": plan.run_id,
            "purpose": plan.purpose,
            "plan_digest": plan.digest().hex(),
            "blocks": {name: _block_facts(report) for name, report in blocks.items()},
            "metrics": metrics,
        }
    )
    activate = ActivateRequest(run_id=plan.run_id, manifest=manifest)
    federation.ask(Step.ACTIVATE, dict.fromkeys(blocks, activate), Done)
    return FinishedModel(manifest=manifest, blocks=blocks)


def score_applicants(federation: Federation, checkpoint: Checkpoint) -> dict[ParticipantId, int]:
    """Let each bank ask for the scores of its applicants; return how many each has opened."""
    plan = federation.plan
    opened = {}
    first_batch = secrets.randbelow(1 << 31)  # a batch's number is never used twice: its masks are bound to it
    for batch, bank in enumerate((ParticipantId(name) for name in checkpoint.banks), start=first_batch):
        ask = AskScoresRequest(run_id=plan.run_id, batch=batch, departments=plan.departments)
        asked = federation.ask(Step.ASK_SCORES, {bank: ask}, AskScoresReply)[bank]
        lists = {ParticipantId(letter.participant): letter.payload for letter in asked.lists}
        requests = {
            department: PartialsRequest(
                run_id=plan.run_id, batch=batch, bank=bank, departments=plan.departments, list=lists[department]
            )
            for department in plan.department_ids
        }
        partials = federation.ask(Step.GIVE_PARTIALS, requests, PartialsReply)
        summed = add([reply.ciphertexts for reply in partials.values()])
        request = OpenScoresRequest(
            run_id=plan.run_id, batch=batch, departments=plan.departments, ciphertexts=tuple(summed)
        )
        opened[bank] = federation.ask(Step.OPEN_SCORES, {bank: request}, OpenScoresReply)[bank].scores
    return opened


def _last_turn(federation: Federation, checkpoint: Checkpoint) -> Turn:
    """The turn after the last round: coefficients that end the training stand for it."""
    return Turn(
        run_id=federation.plan.run_id,
        round=len(checkpoint.rounds) + 1,
        # Standing post is found by the round alone; masks need an attempt that no former process has made.
        attempt=secrets.randbelow(1 << 31),
        departments=federation.plan.departments,
        banks=checkpoint.banks,
    )


def _block_facts(report: BlockReport) -> dict[str, Any]:
    return {
        "fingerprint": report.fingerprint.hex(),
        "features": report.features,
        "parameters": report.parameters,
        "spread_points": report.spread_points,
        # What stands for a department that is down when a score is asked for.
        "mean_log_odds": report.mean_log_odds,
    }
