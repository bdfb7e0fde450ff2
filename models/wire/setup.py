"""Who takes part in a run: plans, participant documents and keys, and the private set intersection.

bureau -> all       JoinRequest      the plan
all    -> bureau    JoinReply        signed participant document; a bank's lattice key and feature names
bureau -> all       MeetRequest      everybody's documents and the banks' lattice keys
bank   -> bureau    MeetReply        to all departments: blinded enterprise ids; to each bank: the group key, sealed
bureau -> dept.     BlindedRequest   blinded ids of all banks
dept.  -> bureau    BlindedReply     to each bank, sealed: those ids evaluated, and the tags of its own register
bureau -> bank      OrderRequest     those answers
bank   -> bureau    OrderReply       to each department, sealed: the cohort's order, naming what it holds
bureau -> dept.     CohortRequest    those orders
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from crypto.errors import MalformedMessage
from models.wire.codec import Blob, Count, Name, WireMessage
from models.wire.envelope import Addressed

TAG_BYTES = 16
POSITION_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest(WireMessage):
    """The bureau proposes a run."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 20
    plan: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinReply(WireMessage):
    """A participant accepts and says who it is. permission: a department's word for the log that it takes part."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 24
    document: Blob
    permission: Blob  # empty from a bank
    lattice_key: Blob  # empty from a department
    bank_features: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...]  # empty from a department


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetRequest(WireMessage):
    """The signed documents of all participants and the lattice keys of all banks."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 28
    run_id: Name
    documents: tuple[Addressed, ...]
    lattice_keys: tuple[Addressed, ...]
    bank_features: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetReply(WireMessage):
    """From a bank: one envelope for all departments, and post for banks. From a department: nothing."""

    blinded: Blob
    group_keys: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindedRequest(WireMessage):
    """Envelopes with blinded enterprise ids, by bank."""

    run_id: Name
    blinded: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindedReply(WireMessage):
    """Envelopes with sealed `EvaluatedIds`, by bank."""

    answers: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedIds(WireMessage):
    """What a department answers a bank, under seal: the bank's ids evaluated, and the register's tags, sorted."""

    evaluated: Blob
    register_tags: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest(WireMessage):
    """The answers of all departments to one bank, and the sealed group key unless the bank made it."""

    run_id: Name
    answers: tuple[Addressed, ...]
    group_key: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReply(WireMessage):
    """Envelopes with sealed `CohortOrder`s, by department, and how many rows the bank's cohort has."""

    orders: tuple[Addressed, ...]
    rows: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortOrder(WireMessage):
    """Which rows of a bank's cohort are enterprises of one department, and which enterprises they are, by tag.

    Rows that are not named are enterprises that this department does not hold.
    """

    rows: Count
    positions: Blob  # uint32 little-endian, ascending
    tags: Blob  # 16 bytes a position

    @classmethod
    def of(cls, *, rows: int, positions: NDArray[np.int64], tags: bytes) -> CohortOrder:
        """An order over `rows` rows; `positions: (held,)` ascending, `tags` 16 bytes each."""
        return cls(rows=rows, positions=positions.astype("<u4").tobytes(), tags=tags)

    def held_positions(self) -> NDArray[np.int64]:
        """The `(held,)` positions, ascending and below `rows`; raises `MalformedMessage` otherwise."""
        if len(self.positions) % POSITION_BYTES or len(self.tags) * POSITION_BYTES != len(self.positions) * TAG_BYTES:
            raise MalformedMessage("a cohort's positions and tags do not match")
        positions = np.frombuffer(self.positions, dtype="<u4").astype(np.int64)
        if positions.size and (positions[-1] >= self.rows or bool(np.any(np.diff(positions) <= 0))):
            raise MalformedMessage("a cohort's positions are not ascending rows of the cohort")
        return positions


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRequest(WireMessage):
    """The orders of all banks for one department."""

    run_id: Name
    orders: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(WireMessage):
    """Nothing to say but that it is done."""

    run_id: Name
