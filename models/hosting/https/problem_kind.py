"""One row of the table of problems: `models/hosting/https/problems.py`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemKind:
    """One row of the table. `retry_after_seconds`: when it makes sense to ask again; None where it never does."""

    slug: str
    status: int
    title: str
    advice: str
    retry_after_seconds: int | None = None
