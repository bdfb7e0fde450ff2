"""The first tables: requests, scores, approvals."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "approvals",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger()),
        sa.Column("decided_by", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("features", sa.LargeBinary(32)),
        sa.CheckConstraint("state IN ('pending', 'approved', 'refused')", name=op.f("ck_approvals_state")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_approvals")),
    )
    op.create_table(
        "open_requests",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.Column("enterprise_id", sa.String(18), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("offer", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_open_requests")),
        sa.UniqueConstraint("request_id", name=op.f("uq_open_requests_request_id")),
    )
    op.create_index(op.f("ix_open_requests_expires_at"), "open_requests", ["expires_at"])
    op.create_table(
        "scores",
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("enterprise_id", sa.String(18), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("probability_of_default", sa.Float(53), nullable=False),
        sa.Column("log_odds_default", sa.Float(53), nullable=False),
        sa.Column("departments", sa.Text(), nullable=False),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.Column("scored_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_scores")),
    )
    op.create_index(op.f("ix_scores_enterprise_id_scored_at"), "scores", ["enterprise_id", "scored_at"])
