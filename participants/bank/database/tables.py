"""The tables of a bank's database. Their form changes by a revision in `migrations` only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

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

consents: Final = Table(
    "consents",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("consent_id", String(32), nullable=False, unique=True),
    Column("enterprise_id", String(18), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("expires_at", Seconds, nullable=False),
    Column("bundle", LargeBinary, nullable=False),  # encoded, as it was verified
    Column("kept_at", Seconds, nullable=False),
    Column("receipt", LargeBinary),  # of its entry in the log; none before it was handed in
    Column("missing", Text, nullable=False),  # a JSON list: departments that do not have it yet
    Column("ended", Text),  # what a department said of it, if it may not be used any more
    Index(None, "enterprise_id", "purpose"),
)

consent_uses: Final = Table(
    "consent_uses",
    metadata,
    Column("request_id", String(32), primary_key=True),
    Column("consent", LargeBinary(32), ForeignKey("consents.digest"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("used_at", Seconds, nullable=False),
    Column("first_digest", LargeBinary(32)),  # of the first request that was sent under this id
    UniqueConstraint("consent", "number"),
)

receipts: Final = Table(
    "receipts",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # of the request
    Column("request_id", String(32), nullable=False),
    Column("document", LargeBinary, nullable=False),  # the request, as this bank signed it
    Column("receipt", LargeBinary, nullable=False),
    Column("witnesses", Integer, nullable=False),  # 0 until a quorum has cosigned
    Column("reasons", Text),  # a JSON list: what this bank may tell
    Column("reasons_for_enterprise", LargeBinary),  # what the enterprise alone opens
    Column("received_at", Seconds, nullable=False),
    Index(None, "received_at"),
    Index(None, "request_id"),
)

approvals: Final = approvals_table(metadata)
