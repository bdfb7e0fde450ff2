"""What a score is made of, participant by participant, in points that add up to it.

    everybody           the intercept
    the bank            each feature of its own block
    the departments     together
    a missing one       the mean of its block, which stands for it

There is no line for a single department that answered, and there cannot be one: its part never exists outside it but
under a mask that only the sum over all of S takes away. Neither this bank nor the bureau, nor both together, can open
it (`docs/threat-model.md`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from crypto.errors import ProtocolStateError
from crypto.identifiers import ParticipantId
from models.points import PointsScale, points_that_add_up
from models.wire.scoring import PARTIAL_FRACTION_BITS
from participants.bank.score_request import Score, ScoreParts

_TOLERANCE: Final = 1e-4
_Part = tuple["Origin", tuple[ParticipantId, ...], str, float]


class Origin(StrEnum):
    """What a line is of."""

    INTERCEPT = "intercept"
    OWN_FEATURE = "own-feature"
    DEPARTMENTS = "departments"
    MISSING = "mean-of-a-missing-department"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationLine:
    """One part of a score.

    participants: whose it is. feature: of this bank, or empty. log_odds: of default, exact. exact_points: what they
    are on the scale of scores, not rounded; the intercept's line holds the scale's offset. points: in whole points.
    """

    origin: Origin
    participants: tuple[ParticipantId, ...]
    feature: str
    log_odds: float
    exact_points: float
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The lines of a score; their `points` sum to the score's, each less than a point from its exact value."""

    score: Score
    lines: tuple[ExplanationLine, ...]


def explain_score(score: Score, parts: ScoreParts, bank: ParticipantId, features: Mapping[str, float]) -> Explanation:
    """Take a score apart. `features`: log-odds of each feature of the bank's own block, as its book is now.

    Raises `ProtocolStateError` if the book has changed since the score: what is left for the departments is then no sum
    of partials, which are multiples of 2^-24.
    """
    steps = parts.departments * 2.0**PARTIAL_FRACTION_BITS
    if abs(steps - round(steps)) > _TOLERANCE:
        raise ProtocolStateError(
            "this bank's record of the enterprise has changed since the score", advice="Ask for a new score."
        )
    known: list[_Part] = [(Origin.INTERCEPT, (), "", parts.intercept)]
    known += [(Origin.OWN_FEATURE, (bank,), name, value) for name, value in features.items()]
    known += [(Origin.DEPARTMENTS, score.departments, "", parts.departments)]
    known += [(Origin.MISSING, (name,), "", mean) for name, mean in parts.missing.items()]
    exact = _exact_points([log_odds for *_, log_odds in known])
    whole = points_that_add_up(np.array(exact))
    # The sum above and the score's own may round to two sides of a half; the departments' line, the one that nobody
    # can recompute, takes the difference.
    whole[1 + len(features)] += score.points - int(whole.sum())
    lines = tuple(
        ExplanationLine(
            origin=origin,
            participants=participants,
            feature=feature,
            log_odds=log_odds,
            exact_points=points,
            points=int(rounded),
        )
        for (origin, participants, feature, log_odds), points, rounded in zip(known, exact, whole, strict=True)
    )
    return Explanation(score=score, lines=lines)


def _exact_points(log_odds: list[float]) -> list[float]:
    """Each part on the scale of scores; the first, the intercept, with the scale's offset."""
    scale = PointsScale()
    first = float(scale.score(np.array(log_odds[:1]))[0])
    return [first, *(-scale.factor * part for part in log_odds[1:])]
