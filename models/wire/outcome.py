"""Evaluation, the end of a run and the model's activation.

bureau -> bank    EvaluateRequest    reply MaskedWords: score histograms by label
bureau -> bank    ConcludeRequest    their sum; reply Conclusion: metrics over all banks
bureau -> all     FinishRequest      reply BlockReport: the block is saved; its fingerprint and share
bureau -> all     ActivateRequest    the model's manifest; each participant binds its block to the model version
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from models.reasons.families import MOST_FAMILIES
from models.wire.codec import Blob, Count, Digest, Name, WireMessage
from models.wire.training import Turn

_Code = Annotated[str, msgspec.Meta(min_length=3, max_length=3)]

MEAN_DECIMALS = 3
"""A block's mean is published to so many decimals: far below a point, and too coarse to tell of a single row."""

SPREAD_DECIMALS = 3
"""Of a block's spread in points. Rounded before it leaves its holder; all digits would be a number made of all rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest(WireMessage):
    """Count your scores by label."""

    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcludeRequest(WireMessage):
    """The counts of all banks, summed."""

    turn: Turn
    counts: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion(WireMessage):
    """What everybody may know of the model: RFC 8785 JSON of its metrics over all banks, held out and trained on."""

    metrics: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRequest(WireMessage):
    """Save your block. A department gets the envelope with the last sealed coefficients."""

    turn: Turn
    coefficients: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReport(WireMessage):
    """A saved block, described without what is in it."""

    fingerprint: Digest
    features: Count
    parameters: Count
    spread_points: Annotated[float, msgspec.Meta(ge=0, le=1e9)]  # standard deviation of its points over the cohort
    mean_log_odds: Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]  # over the cohort; 0 from a bank, never left out
    families: Annotated[tuple[_Code, ...], msgspec.Meta(max_length=MOST_FAMILIES)]  # of reasons; none from a bank


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateRequest(WireMessage):
    """The manifest of the finished model: RFC 8785 JSON, whose SHA-256 is the model version."""

    run_id: Name
    manifest: Blob
