"""The minimiser that every bank runs alike: Newton's method on the span of all directions, safeguarded.

A round is `add_direction` (once or more), then

    propose() -> coefficients to measure at -> update(sum of all banks' statistics there) -> done?

until `update` says that it is done, two to four times. The first measurement of a round is at the point reached
before (the new direction's slope is new), the others at Newton steps, halved until the objective falls as far as its
slope promises (Armijo). Nothing here is random and nothing is secret but the totals themselves, so that banks stay in
step without talking about it.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from crypto.errors import ProtocolStateError
from models.errors import InvalidModelInput, MinimisationFailed
from models.restricted import RestrictedStatistics

Vector = npt.NDArray[np.float64]

DEFAULT_RESOLUTION: Final = 2.0**-36
"""The step of penalty products in fixed point with 36 bits after the point."""

_SUFFICIENT_DECREASE: Final = 1e-4
_SMALLEST_STEP: Final = 2.0**-20
_JITTER: Final = 1e-12
_ROUNDING: Final = 1e-13
_LONGEST_STEP: Final = 100.0
_MOST_MEASUREMENTS: Final = 100
_STEPS_RESOLVED: Final = 1024
_NOT_CONVEX: Final = "the Hessian of the statistics is not that of a convex loss"


class SubspaceMinimiser:
    """State of the search: coefficients reached, the directions' penalty, and the step under trial.

    `tolerance`: a round is done when a further Newton step would lower the objective by less than `tolerance` of
    itself, or by less than a thousandth of what the round has won already.
    """

    def __init__(self, intercept: float, *, tolerance: float = 1e-11) -> None:
        if not np.isfinite(intercept):
            raise InvalidModelInput("the intercept to start from is a finite number")
        self._tolerance = tolerance
        self._coefficients = np.array([intercept])
        self._penalty = np.zeros((1, 1))
        self._scales = np.ones(1)
        self._objectives: list[float] = []
        self._point: RestrictedStatistics | None = None  # penalised statistics at the coefficients reached
        self._step: Vector = np.zeros(0)
        self._length = 1.0
        self._searching = False
        self._started_at = 0.0
        self._measurements = 0

    @property
    def coefficients(self) -> Vector:
        """(1 + directions,): the point reached so far, the intercept first. Departments use all but the first."""
        return self._coefficients.copy()

    @property
    def scales(self) -> Vector:
        """(1 + directions,): the unit of each direction in `RestrictedStatistics.to_words`; 1 for the intercept."""
        return self._scales.copy()

    @property
    def directions(self) -> int:
        """How many directions were added."""
        return len(self._coefficients) - 1

    @property
    def objectives(self) -> tuple[float, ...]:
        """The objective before the first round and after each finished one, penalty included."""
        return tuple(self._objectives)

    def relative_decrease(self) -> float:
        """Return what the last finished round won, as a part of the objective; infinite before the first round."""
        if len(self._objectives) < 2:
            return float("inf")
        return (self._objectives[-2] - self._objectives[-1]) / max(abs(self._objectives[-1]), np.finfo(float).tiny)

    def add_direction(self, penalty_products: Vector, *, resolution: float = DEFAULT_RESOLUTION) -> None:
        """Widen the span by a direction v; `penalty_products`: (k + 1,), v_i' P v for the k directions before and v.

        Each product is a sum over all blocks (a masked sum). The last one is a square and gives the direction its unit.
        `resolution`: the step in which the products came. A direction so short that they hardly resolve it (its square
        is under 1024 steps) is kept in the count and never moved along: with a penalty made of rounding, the objective
        would seem to fall for ever. It means that training has converged as far as the words can tell.
        """
        if self._point is not None:
            raise ProtocolStateError("a direction cannot be added in the middle of a search")
        size = len(self._coefficients)
        if penalty_products.shape != (size,) or not np.isfinite(penalty_products).all():
            raise InvalidModelInput(f"{size} finite penalty products were expected, {penalty_products.size} came")
        square = float(penalty_products[-1])
        if square < 0:
            raise InvalidModelInput("a direction's product with itself in the penalty is never negative")
        resolved = square > _STEPS_RESOLVED * resolution
        penalty = np.zeros((size + 1, size + 1))
        penalty[:size, :size] = self._penalty
        if resolved:
            penalty[size, 1:] = penalty[1:, size] = penalty_products
        self._penalty = penalty
        self._coefficients = np.append(self._coefficients, 0.0)
        self._scales = np.append(self._scales, 1.0 / np.sqrt(square) if resolved else 1.0)
        self._searching = True

    def propose(self) -> Vector:
        """Return the coefficients at which every bank is to measure its statistics next, (1 + directions,)."""
        if not self._searching:
            raise ProtocolStateError("there is no search under way: add a direction first")
        return self.coefficients if self._point is None else self._coefficients + self._length * self._step

    def update(self, total: RestrictedStatistics) -> bool:
        """Take in the sum over banks of the statistics at the last proposal; return whether the round is done."""
        proposal = self.propose()
        if total.gradient.shape != proposal.shape:
            raise InvalidModelInput(f"statistics in {len(proposal)} coefficients were expected")
        self._measurements += 1
        if self._measurements > _MOST_MEASUREMENTS:
            raise MinimisationFailed(f"a round was not done after {_MOST_MEASUREMENTS} measurements")
        here = self._penalised(total, proposal)
        if self._point is None:
            self._started_at = here.loss
            self._objectives = self._objectives or [here.loss]
            return self._move_on(here)
        if not self._fell_enough(here.loss):
            self._length /= 2
            if self._length >= _SMALLEST_STEP:
                return False
            raise MinimisationFailed("no step along a direction of descent lowers the objective")
        self._coefficients = proposal
        return self._move_on(here)

    def _penalised(self, total: RestrictedStatistics, at: Vector) -> RestrictedStatistics:
        product = self._penalty @ at
        if not (np.isfinite(total.loss) and np.isfinite(total.gradient).all() and np.isfinite(total.hessian).all()):
            raise InvalidModelInput("the statistics hold a value that is no number")
        return RestrictedStatistics(
            loss=total.loss + 0.5 * float(at @ product),
            gradient=total.gradient + product,
            hessian=total.hessian + self._penalty,
        )

    def _fell_enough(self, objective: float) -> bool:
        point = self._point
        if point is None:
            return True
        promised = _SUFFICIENT_DECREASE * self._length * float(point.gradient @ self._step)
        return objective <= point.loss + promised + _ROUNDING * abs(point.loss)

    def _move_on(self, here: RestrictedStatistics) -> bool:
        """Stand at `here` and either plan the next Newton step or end the round."""
        step = self._newton_step(here)
        gain = -0.5 * float(here.gradient @ step)
        enough = max(self._tolerance * abs(here.loss), 1e-3 * (self._started_at - here.loss))
        if gain <= enough:
            self._objectives.append(here.loss)
            self._measurements = 0
            self._point, self._step, self._length, self._searching = None, np.zeros(0), 1.0, False
            return True
        self._point, self._step, self._length = here, step, 1.0
        return False

    def _newton_step(self, here: RestrictedStatistics) -> Vector:
        scaled = here.hessian * np.outer(self._scales, self._scales)
        diagonal = np.diag(scaled)
        if (diagonal < 0).any():
            raise MinimisationFailed(_NOT_CONVEX)
        # What is lost in the rounding of the words, penalty or curvature, is left where it is.
        free = (diagonal > 0) & (np.append(1.0, np.diag(self._penalty)[1:]) > 0)
        unit = np.sqrt(diagonal[free])
        normalised = scaled[np.ix_(free, free)] / np.outer(unit, unit)
        step = np.zeros(len(free))
        step[free] = -cho_solve(_factor(normalised), (here.gradient * self._scales)[free] / unit) / unit
        # In units of the scales no honest step is anywhere near this long; a longer one comes from rounding.
        return np.asarray(step * min(1.0, _LONGEST_STEP / max(np.abs(step).max(), 1.0)) * self._scales)

    def state(self) -> tuple[dict[str, Vector], dict[str, Any]]:
        """Return arrays and plain values from which `restore` makes the minimiser again; between rounds only."""
        if self._searching:
            raise ProtocolStateError("a minimiser is saved between rounds, not in the middle of one")
        arrays = {
            "coefficients": self._coefficients,
            "penalty": self._penalty,
            "scales": self._scales,
            "objectives": np.array(self._objectives, dtype=np.float64),
        }
        return {name: array.copy() for name, array in arrays.items()}, {"tolerance": self._tolerance}

    @classmethod
    def restore(cls, arrays: dict[str, Vector], values: dict[str, Any]) -> "SubspaceMinimiser":
        """Return the minimiser that `state` described."""
        names = {"coefficients", "penalty", "scales", "objectives"}
        if set(arrays) != names or set(values) != {"tolerance"}:
            raise InvalidModelInput("a saved minimiser has coefficients, penalty, scales, objectives and tolerance")
        size = len(arrays["coefficients"])
        if size < 1 or arrays["penalty"].shape != (size, size) or arrays["scales"].shape != (size,):
            raise InvalidModelInput("the parts of the saved minimiser disagree on the number of directions")
        minimiser = cls(float(arrays["coefficients"][0]), tolerance=float(values["tolerance"]))
        minimiser._coefficients = arrays["coefficients"].astype(np.float64)
        minimiser._penalty = arrays["penalty"].astype(np.float64)
        minimiser._scales = arrays["scales"].astype(np.float64)
        minimiser._objectives = [float(objective) for objective in arrays["objectives"]]
        return minimiser


def _factor(normalised: Vector) -> tuple[Vector, bool]:
    # Directions that nearly repeat each other leave the Hessian singular to rounding: a little on the diagonal
    # settles it.
    jitter = _JITTER
    while jitter <= 1:
        try:
            lower, is_lower = cho_factor(normalised + jitter * np.eye(len(normalised)), lower=True)
        except np.linalg.LinAlgError:
            jitter *= 100
        else:
            return np.asarray(lower, dtype=np.float64), bool(is_lower)
    raise MinimisationFailed(_NOT_CONVEX)
