"""The bank's search over the span of all directions, kept on disk so that any process can go on with it.

Every bank runs the same deterministic minimiser on the same totals (`models/subspace.py`). What is kept of a round:
the image of its direction on this bank's cohort, the penalty products, each total measured on the way, and the
minimiser as it stood in the end. A round that is run again overwrites what a former attempt left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.optimizer import RestrictedObjective, SubspaceMinimiser
from models.restricted import RestrictedStatistics
from participants.runs.run_store import RunStore

Vector = NDArray[np.float64]


class BankSearch:
    """This bank's cohort and the minimiser, as of the rounds finished so far."""

    def __init__(self, store: RunStore, labels: Vector, weights: Vector) -> None:
        self._store = store
        self._labels = labels
        self._weights = weights
        self.finished_rounds = 0
        self.objective = RestrictedObjective(labels, weights)
        self.minimiser = SubspaceMinimiser(0.0)
        self._steps: int | None = None

    def start(self, intercept: float) -> None:
        """Stand before the first round."""
        self._forget()
        self.minimiser = SubspaceMinimiser(intercept)
        self._save(0)

    def go_to(self, finished_rounds: int) -> None:
        """Stand where `finished_rounds` rounds were finished, whatever came after."""
        if self._steps is None and self.finished_rounds == finished_rounds and self.minimiser.directions:
            return
        self._forget()
        saved = self._store.read_arrays(f"minimiser/{finished_rounds:04}")
        self.minimiser = SubspaceMinimiser.restore(saved, self._store.read_facts("minimiser/values"))
        for number in range(1, finished_rounds + 1):
            self.objective.add_image(self._store.read_arrays(f"image/{number:04}")["image"])
        self.finished_rounds = finished_rounds

    def widen(self, round_number: int, image: Vector, penalty_products: Vector) -> RestrictedStatistics:
        """Take in a round's direction and return this bank's statistics at the first proposal."""
        self.go_to(round_number - 1)
        self._store.write_arrays(f"image/{round_number:04}", {"image": image, "penalties": penalty_products})
        self.objective.add_image(image)
        self.minimiser.add_direction(penalty_products)
        self._steps = 0
        return self.statistics()

    def resume(self, round_number: int, step: int) -> None:
        """Stand before a step of a round's search; a process that was not there for what came before repeats it."""
        if self._steps != step or self.finished_rounds != round_number - 1:
            self._repeat(round_number, step)

    def take(self, round_number: int, step: int, total: RestrictedStatistics) -> bool:
        """Take in a total; whether the round is done."""
        self.resume(round_number, step)
        self._store.write_arrays(
            f"total/{round_number:04}/{step:02}",
            {"loss": np.array([total.loss]), "gradient": total.gradient, "hessian": total.hessian},
        )
        done = self.minimiser.update(total)
        self._steps = step + 1
        if done:
            self._steps = None
            self.finished_rounds = round_number
            self._save(round_number)
        return done

    def statistics(self) -> RestrictedStatistics:
        """This bank's statistics at the minimiser's proposal."""
        return self.objective.statistics(self.minimiser.propose())

    def log_odds(self) -> Vector:
        """Log-odds of default of every row of the cohort, `(rows,)`, at the point reached."""
        return self.objective.log_odds(self.minimiser.coefficients)

    def residuals(self) -> Vector:
        """Residuals `(rows,)` at the point reached: zero for rows that are not trained on."""
        return self.objective.residuals(self.minimiser.coefficients)

    def _repeat(self, round_number: int, steps: int) -> None:
        self.go_to(round_number - 1)
        saved = self._store.read_arrays(f"image/{round_number:04}")
        self.objective.add_image(saved["image"])
        self.minimiser.add_direction(saved["penalties"])
        for step in range(steps):
            total = self._store.read_arrays(f"total/{round_number:04}/{step:02}")
            self.minimiser.update(
                RestrictedStatistics(loss=float(total["loss"][0]), gradient=total["gradient"], hessian=total["hessian"])
            )
        self._steps = steps

    def _forget(self) -> None:
        self.objective = RestrictedObjective(self._labels, self._weights)
        self.finished_rounds = 0
        self._steps = None

    def _save(self, round_number: int) -> None:
        arrays, values = self.minimiser.state()
        self._store.write_arrays(f"minimiser/{round_number:04}", arrays)
        self._store.write_facts("minimiser/values", values)
