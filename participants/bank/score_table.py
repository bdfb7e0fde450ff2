"""Scores, their explanations and reasons as rows, for a terminal or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crypto.errors import YurongError
from models.reasons.principal import PrincipalReason
from participants.bank.errors import AnsweredWithAnotherSet
from participants.bank.explanation import Explanation
from participants.bank.score_request import Score


def score_row(enterprise_id: str, result: Score | YurongError) -> dict[str, Any]:
    """One row: the score, or why there is none; with an earlier score if there is one."""
    fault = result.message if isinstance(result, YurongError) else ""
    score = result.earlier if isinstance(result, AnsweredWithAnotherSet) else result
    found = score if isinstance(score, Score) else None
    return {
        "enterprise_id": enterprise_id,
        "score": found and found.points,
        "probability_of_default": found and round(found.probability_of_default, 6),
        "missing_departments": list(found.missing) if found else [],
        "model": found and found.model_version,
        "request": found and found.request_id,
        "fault": fault,
    }


def explanation_rows(explanation: Explanation) -> list[dict[str, Any]]:
    """One row a part; the points sum to the score's."""
    return [
        {
            "part": str(line.origin),
            "participants": list(line.participants),
            "feature": line.feature,
            "points": line.points,
        }
        for line in explanation.lines
    ]


def reason_rows(reasons: Sequence[PrincipalReason]) -> list[dict[str, Any]]:
    """One row a reason, what cost the most points first."""
    return [
        {
            "code": reason.code,
            "zh": reason.zh,
            "en": reason.en,
            "departments": list(reason.departments),
            "points_lost": reason.points_lost,
        }
        for reason in reasons
    ]
