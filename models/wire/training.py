"""One round of training, as `docs/protocols.md`, "Training", has it.

bureau -> dept.   GradientRequest    encrypted residuals of each bank; the coefficients of the round before, sealed
dept.  -> bureau  GradientReply      to each bank: encrypted inner products, flooded and masked
bureau -> bank    OpenRequest        those products
bank   -> bureau  OpenReply          to each department: the few masked numbers; its share of the bank block's gradient
bureau -> dept.   DirectionRequest   those numbers
dept.  -> bureau  DirectionReply     for each bank: masked image of the new direction and masked penalty products
bureau -> bank    SearchRequest      the departments' sums, the bank block's gradient
bank   -> bureau  SearchReply        its share of the objective's statistics, or the round's outcome
bureau -> bank    NewtonRequest      the statistics' sum                            (several banks: until they converge)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

import msgspec

from models.wire.codec import Blob, Count, Name, WireMessage
from models.wire.envelope import Addressed

IMAGE_FRACTION_BITS = 36  # of direction images and penalty products: 2^-36 is far below any effect on a score
GRADIENT_FRACTION_BITS = 28  # of the bank block's gradient

WEIGHT_BITS = 10  # a row's weight is below 2^10

Real = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(WireMessage):
    """A round's attempt and who takes part in it: the set over which masks cancel."""

    run_id: Name
    round: Count
    attempt: Count
    departments: tuple[Name, ...]
    banks: tuple[Name, ...]

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) of the turn, everybody in it included: part of every mask and every place."""
        return hashlib.sha256(self.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSize(WireMessage):
    """How many rows a bank's cohort has."""

    bank: Name
    rows: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRequest(WireMessage):
    """The banks' totals summed, the cohorts' sizes and the size of the largest block."""

    run_id: Name
    totals: Blob
    cohorts: tuple[CohortSize, ...]
    largest_block: Annotated[int, msgspec.Meta(ge=1, le=100_000)]
    entry_bits: Annotated[int, msgspec.Meta(ge=0, le=16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients(WireMessage):
    """Under seal, from a bank to a department: the coefficient of each direction found so far."""

    values: tuple[Real, ...]  # one a finished round
    base_rate: Annotated[float, msgspec.Meta(gt=0, lt=1)]  # share of defaults in the weight that is trained on
    training_weight: Annotated[float, msgspec.Meta(gt=0, le=1e12)]  # of those rows; their number where all weigh 1
    took_part: tuple[bool, ...]  # whether this department took part in each of those rounds
    residual_fraction_bits: Annotated[int, msgspec.Meta(ge=1, le=40)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals(WireMessage):
    """One bank's encrypted residuals."""

    key_fingerprint: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    rows: Count
    stride: Annotated[int, msgspec.Meta(ge=256, le=4096)]
    magnitude_bits: Count
    chunks: tuple[Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientRequest(WireMessage):
    """Envelopes with `Residuals` by bank, and the envelope with this department's sealed `Coefficients`."""

    turn: Turn
    residuals: tuple[Addressed, ...]
    coefficients: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Products(WireMessage):
    """Encrypted inner products of one department's columns with one bank's residuals."""

    columns: Count
    ciphertexts: tuple[Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientReply(WireMessage):
    """Envelopes with `Products`, by bank."""

    products: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest(WireMessage):
    """Envelopes with `Products`, by department."""

    turn: Turn
    products: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReply(WireMessage):
    """Envelopes with masked numbers, by department; and the share of the bank block's gradient."""

    opened: tuple[Addressed, ...]
    bank_gradient: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionRequest(WireMessage):
    """Envelopes with masked numbers, by bank."""

    turn: Turn
    opened: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionReply(WireMessage):
    """Masked words by bank: the direction's image on its cohort, then the penalty products."""

    images: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest(WireMessage):
    """The departments' words summed for one bank, and the sum of the bank block's gradient."""

    turn: Turn
    image: Blob
    bank_gradient: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(WireMessage):
    """What everybody may know of a round: the model's quality over all banks, on the rows held out."""

    objective: Real
    auc_held_out: Real | None  # none where nothing is held out
    newton_steps: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOutcome(WireMessage):
    """A finished round: the next residuals (none when training is over) and sealed coefficients by department."""

    finished: bool
    residuals: Blob
    coefficients: tuple[Addressed, ...]
    progress: Progress | None  # none before the first round


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchReply(WireMessage):
    """Either a share of the statistics or the outcome."""

    statistics: Blob
    outcome: RoundOutcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewtonRequest(WireMessage):
    """The banks' statistics summed."""

    turn: Turn
    step: Count
    statistics: Blob
