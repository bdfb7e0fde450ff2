"""The tables of a bank's database. Their form changes by a revision in `migrations` only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, String, Table, Text

from models.hosting.storage.database import Seconds, new_metadata
from participants.runs.approvals_table import approvals_table

metadata: Final = new_metadata()

open_requests: Final = Table(
    "open_requests",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("request_id", String(32), nullable=False, unique=True),
    Column("enterprise_id", String(18), nullable=False),
    Column("request", LargeBinary, nullable=False),  # encoded, as it was sent
    Column("offer", LargeBinary, nullable=False),  # encoded, as it was answered
    Column("expires_at", Seconds, nullable=False),
    Index(None, "expires_at"),
)

scores: Final = Table(
    "scores",
    metadata,
    Column("request_id", String(32), primary_key=True),
    Column("model_version", String(32), nullable=False),
    Column("enterprise_id", String(18), nullable=False),
    Column("points", Integer, nullable=False),
    Column("probability_of_default", Float(53), nullable=False),
    Column("log_odds_default", Float(53), nullable=False),
    Column("departments", Text, nullable=False),  # a JSON list: they answered
    Column("missing", Text, nullable=False),  # a JSON list: their means stand for them
    Column("scored_at", Seconds, nullable=False),
    Index(None, "enterprise_id", "scored_at"),
)

approvals: Final = approvals_table(metadata)
