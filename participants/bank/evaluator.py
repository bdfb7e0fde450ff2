"""Evaluation over all banks: each counts its scores by label, and only the sum of the counts is ever seen.

What comes of it, AUC, KS, calibration and score bands over all banks, is public in the federation: it goes into the
model card.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto.documents import canonical_json
from crypto.fixed_point import Words
from models.histogram_metrics import HISTOGRAM_WORDS, ScoreHistogram, score_histogram
from models.metrics import population_stability
from models.points import PointsScale
from models.wire.binning import MaskedWords
from models.wire.outcome import ConcludeRequest, Conclusion, EvaluateRequest
from models.wire.steps import Purpose
from participants.bank.cohort import BankCohort
from participants.bank.evaluations import Evaluations
from participants.bank.group import BankGroup
from participants.bank.trainer import BankTrainer
from participants.runs.run import Run

ROC_POINTS = 200


class BankEvaluator:
    """One bank in evaluation."""

    def __init__(self, run: Run, cohort: BankCohort, trainer: BankTrainer) -> None:
        self._run = run
        self._cohort = cohort
        self._trainer = trainer
        self._evaluations = Evaluations(run.store)

    def evaluate(self, request: EvaluateRequest) -> MaskedWords:
        """Count the scores of rows held out, and of rows trained on, by label."""
        self._run.check_turn(request.turn)
        self._evaluations.check(request.turn, self._trainer.banks_of(request.turn.round - 1))
        log_odds = self._trainer.at_round(request.turn.round - 1).log_odds()
        counted = (self._cohort.is_held_out, self._cohort.weights > 0)
        labels = np.nan_to_num(self._cohort.labels)
        words = np.concatenate([score_histogram(labels, log_odds, rows) for rows in counted])
        share = BankGroup(self._run).share(request.turn, Purpose.EVALUATION, words)
        self._evaluations.take(request.turn)
        return MaskedWords(words=share)

    def conclude(self, request: ConcludeRequest) -> Conclusion:
        """Read the metrics off the summed counts."""
        group = BankGroup(self._run)
        total = group.total(request.turn, Purpose.EVALUATION, request.counts, 2 * HISTOGRAM_WORDS)
        self._evaluations.conclude(request.turn, request.counts)
        held_out, trained = total[:HISTOGRAM_WORDS], total[HISTOGRAM_WORDS:]
        metrics: dict[str, Any] = {"training": _metrics(trained)}
        if held_out.any():
            metrics["held_out"] = _metrics(held_out)
            metrics["population_stability"] = population_stability(_bands(trained), _bands(held_out))
        return Conclusion(metrics=canonical_json(metrics))


def _metrics(words: Words) -> dict[str, Any]:
    histogram = ScoreHistogram(words)
    roc = histogram.roc()
    at = np.unique(np.linspace(0, len(roc.false_positive_rate) - 1, ROC_POINTS).astype(int))
    return {
        "rows": int(histogram.counts.sum()),
        "defaults": int(histogram.defaults.sum()),
        "auc": roc.auc,
        "ks": roc.ks,
        "gini": roc.gini,
        "brier": histogram.brier(),
        "roc": {
            "false_positive_rate": roc.false_positive_rate[at].tolist(),
            "true_positive_rate": roc.true_positive_rate[at].tolist(),
        },
        "calibration": [
            {
                "enterprises": row.enterprises,
                "mean_prediction": row.mean_prediction,
                "default_rate": row.default_rate,
            }
            for row in histogram.calibration()
        ],
        "score_bands": [
            {"low": band.low, "high": band.high, "enterprises": band.enterprises, "defaults": band.defaults}
            for band in histogram.bands(PointsScale())
        ],
    }


def _bands(words: Words) -> NDArray[np.float64]:
    """Enterprises in 64 equal ranges of log-odds."""
    counts: NDArray[np.float64] = ScoreHistogram(words).counts.reshape(64, -1).sum(axis=1)
    return counts
