"""The bureau conducts evaluation, the end of a run, and the scores of many."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any

from coordinator.runs.checkpoint import Checkpoint
from coordinator.runs.federation import Federation, again, sum_of_words
from coordinator.runs.stated_metrics import read_metrics
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
    """Metrics over all banks that are left, as all of them read them off the summed counts.

    A bank that died over its counts has used their masks, so all count again, under a new turn.
    """
    return again(federation, lambda: _evaluate(federation, _last_turn(federation, checkpoint)))


def _evaluate(federation: Federation, turn: Turn) -> JsonObject:
    banks = tuple(ParticipantId(bank) for bank in turn.banks)
    counts = federation.ask(Step.EVALUATE, dict.fromkeys(banks, EvaluateRequest(turn=turn)), MaskedWords)
    request = ConcludeRequest(turn=turn, counts=sum_of_words(share.words for share in counts.values()))
    conclusions = federation.insist(Step.CONCLUDE, dict.fromkeys(banks, request), Conclusion)
    if len({conclusion.metrics for conclusion in conclusions.values()}) != 1:
        raise PeerError("the banks do not agree on the model's metrics")
    metrics = parse_canonical_json(conclusions[banks[0]].metrics)
    read_metrics(metrics)
    return metrics


@dataclass(frozen=True, slots=True)
class FinishedModel:
    """A model that all participants can bind their blocks to: its manifest, which says all that is known of it."""

    manifest: bytes

    @property
    def fields(self) -> JsonObject:
        """The manifest, read."""
        return parse_canonical_json(self.manifest)


def finish(federation: Federation, checkpoint: Checkpoint, metrics: JsonObject) -> FinishedModel:
    """Have everybody save its block, and write the manifest."""
    plan = federation.plan
    turn = _last_turn(federation, checkpoint)
    first = checkpoint.round_outcomes()[ParticipantId(turn.banks[0])]
    coefficients = {ParticipantId(letter.participant): letter.payload for letter in first.coefficients}
    requests = {
        name: FinishRequest(turn=turn, coefficients=coefficients.get(name, b""))
        for name in (*plan.department_ids, *(ParticipantId(bank) for bank in turn.banks))
    }
    blocks = federation.insist(Step.FINISH, requests, BlockReport)
    manifest = canonical_json(
        {
            "run_id": plan.run_id,
            "purpose": plan.purpose,
            "plan_digest": plan.digest().hex(),
            "blocks": {name: _block_facts(report) for name, report in blocks.items()},
            "metrics": metrics,
        }
    )
    return FinishedModel(manifest)


def activate(federation: Federation, model: FinishedModel) -> None:
    """Have everybody bind its block to the manifest. A run has one manifest, so it is kept before it is sent."""
    request = ActivateRequest(run_id=federation.plan.run_id, manifest=model.manifest)
    federation.insist(Step.ACTIVATE, dict.fromkeys(map(ParticipantId, model.fields["blocks"]), request), Done)


def score_applicants(federation: Federation, checkpoint: Checkpoint) -> dict[ParticipantId, int]:
    """Let each bank ask for the scores of its applicants; return how many each has opened."""
    banks = [ParticipantId(name) for name in checkpoint.banks]
    return {bank: again(federation, partial(_score_batch, federation, bank)) for bank in banks}


def _score_batch(federation: Federation, bank: ParticipantId) -> int:
    """One bank's scores, in a batch whose number is never used twice: its masks are bound to it."""
    plan, batch = federation.plan, secrets.randbelow(1 << 31)
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
    return federation.ask(Step.OPEN_SCORES, {bank: request}, OpenScoresReply)[bank].scores


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
        # At which departments points were lost for a reason.
        "families": list(report.families),
    }
