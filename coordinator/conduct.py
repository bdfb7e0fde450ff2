"""The bureau conducts a run from the first message to the last: the order of all phases on one page."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from coordinator.bus import Bus, Clock
from coordinator.checkpoint import Checkpoint, CheckpointStore
from coordinator.federation import Federation
from coordinator.outcome import evaluate, finish, score_applicants
from coordinator.setup import align, bin_features, gather
from coordinator.training import RoundFinished, Training
from models.wire.plan import RunPlan

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

    `directory` is where the checkpoint is kept, `deadline_seconds` how long one exchange may take.
    """

    bus: Bus
    directory: Path
    clock: Clock
    watch: Watch
    deadline_seconds: float

    def run(self, plan: RunPlan) -> dict[str, Any]:
        """Conduct a new run; return what may be known of it, as plain JSON values."""
        federation = self._federation(plan)
        seconds: dict[str, float] = {}
        introduction = self._timed(seconds, JOIN, lambda: gather(federation))
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
        metrics = self._timed(seconds, EVALUATION, lambda: evaluate(federation, checkpoint))
        model = finish(federation, checkpoint, metrics)
        scores = self._timed(seconds, SCORING, lambda: score_applicants(federation, checkpoint))
        return {
            "run_id": federation.plan.run_id,
            "purpose": federation.plan.purpose,
            "manifest": model.manifest.decode(),
            "metrics": metrics,
            "blocks": {
                name: {
                    "features": block.features,
                    "parameters": block.parameters,
                    "spread_points": block.spread_points,
                }
                for name, block in model.blocks.items()
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
            "seconds": seconds,
            "scores": dict(scores),
        }

    def _federation(self, plan: RunPlan) -> Federation:
        return Federation(self.bus, plan, deadline_seconds=self.deadline_seconds, session=secrets.token_hex(4))

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
