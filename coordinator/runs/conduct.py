"""The bureau conducts a run from the first message to the last: the order of all phases on one page.

A bureau that is killed takes the run up again with `go_on`. Nothing is asked for before it is on the bureau's disk:

| killed                         | what `go_on` finds    | and does                                                    |
|--------------------------------|-----------------------|-------------------------------------------------------------|
| before everybody has approved  | nothing               | asks everybody again; those who approved answer at once     |
| in the set-up                  | the introduction      | asks for every step again; the same answers come            |
| between rounds, or in one      | a checkpoint          | tries the round after the last finished one, with new masks |
| in the evaluation              | the last checkpoint   | evaluates again                                             |
| while blocks are bound         | the model             | has the same manifest bound by everybody                    |
| after the result was written   | the result            | is not asked to                                             |
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from coordinator.flower.bus import Bus, Clock
from coordinator.runs.checkpoint import Checkpoint, CheckpointStore
from coordinator.runs.federation import Federation
from coordinator.runs.outcome import FinishedModel, activate, evaluate, finish, score_applicants
from coordinator.runs.run_directory import AS_USUAL, ConductSettings, RunDirectory
from coordinator.runs.setup import Patience, align, bin_features, gather
from coordinator.runs.training import RoundFinished, Training
from crypto.identifiers import ParticipantId
from models.wire.plan import RunPlan
from models.wire.setup import MeetRequest

Result = TypeVar("Result")
Watch = Callable[[dict[str, Any]], None]

JOIN = "join"
ALIGNMENT = "alignment"
BINNING = "binning"
TRAINING = "training"
EVALUATION = "evaluation"
SCORING = "scoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conductor:
    """Conducts one run; news of phases and rounds go to `watch` as they happen.

    `directory` is the run's own (`run_directory.py`).
    """

    bus: Bus
    directory: Path
    clock: Clock
    watch: Watch
    settings: ConductSettings = AS_USUAL

    def go_on(self, plan: RunPlan) -> dict[str, Any]:
        """Conduct a run from wherever it stopped."""
        return self.resume() if CheckpointStore(self.directory).exists else self.run(plan)

    def run(self, plan: RunPlan) -> dict[str, Any]:
        """Conduct a run up to its end; return what may be known of it, as plain JSON values."""
        federation = self._federation(plan)
        seconds: dict[str, float] = {}
        introduction = self._timed(seconds, JOIN, lambda: self._introduction(federation))
        cohorts = self._timed(seconds, ALIGNMENT, lambda: align(federation, introduction))
        binned = self._timed(seconds, BINNING, lambda: bin_features(federation, cohorts))
        training = self._training(federation)
        return self._train_and_finish(
            federation, seconds, lambda: training.go_on(training.begin(binned.begin, binned.parameters))
        )

    def resume(self) -> dict[str, Any]:
        """Take up a stopped run after its last finished round; raises `NothingToResume`."""
        checkpoint = CheckpointStore(self.directory).load()
        federation = self._federation(checkpoint.run_plan())
        training = self._training(federation)
        before = sum(record.seconds for record in checkpoint.rounds)
        return self._train_and_finish(federation, {TRAINING: before}, lambda: training.go_on(checkpoint))

    def _train_and_finish(
        self, federation: Federation, seconds: dict[str, float], train: Callable[[], Checkpoint]
    ) -> dict[str, Any]:
        checkpoint = self._timed(seconds, TRAINING, train)
        model = self._timed(seconds, EVALUATION, lambda: self._model(federation, checkpoint))
        activate(federation, model)
        scores: dict[ParticipantId, int] = {}
        if self.settings.score_applicants:
            scores = self._timed(seconds, SCORING, lambda: score_applicants(federation, checkpoint))
        return self._result(federation, checkpoint, model) | {"seconds": seconds, "scores": dict(scores)}

    def _introduction(self, federation: Federation) -> MeetRequest:
        """Everybody's documents: those that were kept, since participants are introduced once."""
        files = RunDirectory(self.directory)
        known = files.introduction()
        if known is None:
            patience = Patience(
                clock=self.clock,
                watch=lambda names, lost: self.watch({"pending": list(names), "lost": dict(lost)}),
                approval_seconds=self.settings.approval_seconds,
            )
            gathered = gather(federation, patience)
            files.write_permissions(gathered.permissions)
            known = gathered.introduction
            files.write("introduction", known.encode())
        return known

    def _model(self, federation: Federation, checkpoint: Checkpoint) -> FinishedModel:
        """The model: the one that was kept, since participants bind their blocks to one manifest."""
        files = RunDirectory(self.directory)
        manifest = files.read("model")
        if manifest is not None:
            return FinishedModel(manifest)
        model = finish(federation, checkpoint, evaluate(federation, checkpoint))
        files.write("model", model.manifest)
        return model

    def _result(self, federation: Federation, checkpoint: Checkpoint, model: FinishedModel) -> dict[str, Any]:
        fields = model.fields
        return {
            "run_id": federation.plan.run_id,
            "purpose": federation.plan.purpose,
            "manifest": model.manifest.decode(),
            "metrics": fields["metrics"],
            "blocks": {
                name: {
                    "features": block["features"],
                    "parameters": block["parameters"],
                    "spread_points": float(block["spread_points"]),
                }
                for name, block in fields["blocks"].items()
            },
            "cohorts": {cohort.bank: cohort.rows for cohort in checkpoint.begin.cohorts},
            "rounds": [
                {
                    "seconds": record.seconds,
                    "attempts": record.attempts,
                    "objective": record.objective,
                    "auc_held_out": record.auc_held_out,
                    "newton_steps": record.newton_steps,
                    "left_out": list(record.left_out),
                }
                for record in checkpoint.rounds
            ],
        }

    def _federation(self, plan: RunPlan) -> Federation:
        return Federation(
            self.bus,
            plan,
            deadline_seconds=self.settings.deadline_seconds,
            patience_seconds=self.settings.patience_seconds,
            session=secrets.token_hex(4),
        )

    def _training(self, federation: Federation) -> Training:
        return Training(federation, CheckpointStore(self.directory), self.clock, self._watch_round)

    def _watch_round(self, news: RoundFinished) -> None:
        self.watch(
            {
                "round": news.round,
                "maximum_rounds": news.maximum_rounds,
                "seconds": news.seconds,
                "objective": news.objective,
                "auc_held_out": news.auc_held_out,
                "left_out": list(news.left_out),
            }
        )

    def _timed(self, seconds: dict[str, float], phase: str, act: Callable[[], Result]) -> Result:
        self.watch({"phase": phase})
        began = self.clock.monotonic()
        result = act()
        seconds[phase] = seconds.get(phase, 0.0) + self.clock.monotonic() - began
        return result


def news_line(news: dict[str, Any]) -> str:
    """One line of JSON, for a file that somebody follows."""
    return json.dumps(news, separators=(",", ":"))
