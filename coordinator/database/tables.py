"""The tables of the bureau's database. Their form changes by a revision in `migrations` only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from models.hosting.storage.database import Seconds, new_metadata

metadata: Final = new_metadata()

runs: Final = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("plan", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("flower_run_id", Text),  # of its last attempt, in decimal digits: Flower's ids have 64 bits and no sign
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("restarts", Integer, nullable=False, server_default="0"),  # without progress in between
    Column("rounds", Integer, nullable=False, server_default="0"),  # finished, when it was started last
    Column("reason", Text),  # of a run that failed or was refused
    Column("created_at", Seconds, nullable=False),
    Column("updated_at", Seconds, nullable=False),
)

models: Final = Table(
    "models",
    metadata,
    Column("model_version", String(32), primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("manifest", LargeBinary, nullable=False),
    Column("model_card", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("proposed_at", Seconds, nullable=False),
    Column("approved_at", Seconds),
    Column("approved_by", Text),
    Column("retired_at", Seconds),
    CheckConstraint("state IN ('proposed', 'approved', 'retired')", name="state"),
)

model_members: Final = Table(
    "model_members",
    metadata,
    Column("model_version", String(32), ForeignKey("models.model_version"), primary_key=True),
    Column("participant_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),  # signed, as it was verified in the model's run
    Column("block_fingerprint", LargeBinary(32)),
)

requests: Final = Table(
    "requests",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("bank", Text, nullable=False),
    Column("model_version", String(32), nullable=False),
    Column("received_at", Seconds, nullable=False),
    Column("answered_at", Seconds),
    Column("outcome", Text),  # `answered`, or what kind of problem it came to
    Column("missing", Text),  # a JSON list: departments of the model that did not take part
    Index(None, "received_at"),
)

log_head: Final = Table(
    "log_head",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("checkpoint", LargeBinary, nullable=False),  # signed by the log
)

log_staged: Final = Table(
    "log_staged",
    metadata,
    Column("origin", Text, ForeignKey("log_head.origin"), primary_key=True),
    Column("start", BigInteger, primary_key=True),  # the index of the first of its entries
    Column("entries", LargeBinary, nullable=False),
)

log_pending: Final = Table(
    "log_pending",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("entry", LargeBinary, nullable=False),
    Column("document", LargeBinary, nullable=False),
)

log_documents: Final = Table(
    "log_documents",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),  # the index of its entry
    Column("kind", Integer, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index(None, "kind"),
)

log_places: Final = Table(
    "log_places",
    metadata,
    Column("entry", LargeBinary, primary_key=True),
    Column("kind", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),  # of the checkpoint
    Column("checkpoint", LargeBinary, nullable=False),  # the first that has the entry, signed by the log
    Column("placed_at", Seconds, nullable=False),
    Index(None, "placed_at"),
)
