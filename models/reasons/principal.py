"""Up to four principal reasons of a score: what it lost the most points for, and at which departments.

    points lost(family) = factor * lost(family) / 2^24          factor: of the scale of points (models/points.py)

In order of what was lost, the most first; of two that are equal the one that the list has first. A family that lost
less than a point is no reason. Which departments have features of a family stands in the model's manifest: what is said
is that the points were lost among these departments, not how much of it at which one. What a bank's own records cost,
and the means that stand for departments that are down, are no part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from crypto.identifiers import ParticipantId
from models.points import PointsScale
from models.reasons.families import packaged_families
from models.reasons.opening import LostByFamilyOverAll
from models.wire.scoring import PARTIAL_FRACTION_BITS

MOST_REASONS: Final = 4
"""More are of no use to whom they are told (official interpretation of 12 CFR 1002.9, paragraph 9(b)(2)-1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalReason:
    """One reason. code, zh, en: of its family. points_lost: whole points, 1 or more.

    departments: those of the model that have features of the family, sorted.
    """

    code: str
    zh: str
    en: str
    departments: tuple[ParticipantId, ...]
    points_lost: int


def principal_reasons(
    lost: LostByFamilyOverAll,
    families_of: Mapping[ParticipantId, Sequence[str]],
    *,
    scale: PointsScale | None = None,
    most: int = MOST_REASONS,
) -> tuple[PrincipalReason, ...]:
    """The reasons of what was lost by family, `(families,)` in fixed point.

    families_of: of each department that answered (S), the codes of the families that its block has.
    """
    points = (scale or PointsScale()).factor * lost.astype(np.float64) * 2.0**-PARTIAL_FRACTION_BITS
    order = np.argsort(-points, kind="stable")[:most].tolist()
    return tuple(_reason(place, float(points[place]), families_of) for place in order if points[place] >= 1)


def families_of_blocks(manifest: Mapping[str, Any]) -> dict[ParticipantId, tuple[str, ...]]:
    """The codes of the families of each block, from a model's manifest; none where an earlier release wrote it."""
    return {ParticipantId(name): tuple(facts.get("families", ())) for name, facts in manifest["blocks"].items()}


def _reason(place: int, points: float, families_of: Mapping[ParticipantId, Sequence[str]]) -> PrincipalReason:
    family = packaged_families()[place]
    return PrincipalReason(
        code=family.code,
        zh=family.zh,
        en=family.en,
        departments=tuple(sorted(name for name, codes in families_of.items() if family.code in codes)),
        points_lost=round(points),
    )
