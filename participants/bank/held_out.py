"""The held-out rows of a bank during training: their AUC over all banks is reported after each round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crypto.fixed_point import Words
from models.histogram_metrics import HISTOGRAM_WORDS, ScoreHistogram, score_histogram


class HeldOutScores:
    """Counts a bank's held-out scores by label, and reads the AUC off the banks' sum."""

    word_count = HISTOGRAM_WORDS

    def __init__(self, labels: NDArray[np.float64], is_held_out: NDArray[np.bool_]) -> None:
        self._labels = np.nan_to_num(labels)
        self._is_held_out = is_held_out

    def counts(self, log_odds: NDArray[np.float64]) -> Words:
        """This bank's counts `(word_count,)` at these log-odds `(rows,)`."""
        return score_histogram(self._labels, log_odds, self._is_held_out)

    @staticmethod
    def auc(total: Words) -> float | None:
        """The AUC over all banks, from the sum of their counts; None unless both outcomes were held out."""
        half = HISTOGRAM_WORDS // 2
        if not (total[:half].any() and total[half:].any()):
            return None
        return ScoreHistogram(total).roc().auc
