"""The first tables: runs, models, requests."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "models",
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("manifest", sa.LargeBinary(), nullable=False),
        sa.Column("model_card", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_at", sa.BigInteger()),
        sa.Column("approved_by", sa.Text()),
        sa.Column("retired_at", sa.BigInteger()),
        sa.CheckConstraint("state IN ('proposed', 'approved', 'retired')", name=op.f("ck_models_state")),
        sa.PrimaryKeyConstraint("model_version", name=op.f("pk_models")),
    )
    op.create_table(
        "requests",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger()),
        sa.Column("outcome", sa.Text()),
        sa.Column("missing", sa.Text()),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_requests")),
    )
    op.create_index(op.f("ix_requests_received_at"), "requests", ["received_at"])
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("plan", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("flower_run_id", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("restarts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rounds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
    )
    op.create_table(
        "model_members",
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("participant_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("block_fingerprint", sa.LargeBinary(32)),
        sa.ForeignKeyConstraint(
            ["model_version"], ["models.model_version"], name=op.f("fk_model_members_model_version")
        ),
        sa.PrimaryKeyConstraint("model_version", "participant_id", name=op.f("pk_model_members")),
    )
