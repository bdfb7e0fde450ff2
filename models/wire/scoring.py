"""Scores of many (batch): `docs/protocols.md`, "Scores of many".

bureau -> bank    AskScoresRequest     reply AskScoresReply: to each department, sealed, whom the bank asks about
bureau -> dept.   PartialsRequest      reply PartialsReply: masked partials under the bank's lattice key
bureau -> bank    OpenScoresRequest    the ciphertexts added up; reply OpenScoresReply: how many were opened
"""

from __future__ import annotations

from dataclasses import dataclass

from models.wire.codec import Blob, Count, Name, WireMessage
from models.wire.envelope import Addressed

PARTIAL_FRACTION_BITS = 24  # partial scores in steps of 2^-24 log-odds; sums stay within the 33 bits of a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class AskScoresRequest(WireMessage):
    """The bureau asks a bank whom it wants scores of; `batch` numbers its batches."""

    run_id: Name
    batch: Count
    departments: tuple[Name, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskScoresReply(WireMessage):
    """Envelopes with sealed lists of enterprise ids, by department."""

    rows: Count
    lists: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterpriseList(WireMessage):
    """Under seal: whom a bank asks about, in its order, and by which model."""

    model_version: Name
    enterprise_ids: tuple[Name, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialsRequest(WireMessage):
    """One bank's envelope with a sealed list, and the set over which masks cancel."""

    run_id: Name
    batch: Count
    bank: Name
    departments: tuple[Name, ...]
    list: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialsReply(WireMessage):
    """Encrypted masked partials, 4,096 enterprises a ciphertext."""

    ciphertexts: tuple[Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenScoresRequest(WireMessage):
    """The departments' ciphertexts added up."""

    run_id: Name
    batch: Count
    departments: tuple[Name, ...]
    ciphertexts: tuple[Blob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenScoresReply(WireMessage):
    """How many scores the bank now has."""

    scores: Count
