"""The first tables: partials, requests, imports, approvals."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "answered",
        sa.Column("question", sa.LargeBinary(16), nullable=False),
        sa.Column("members", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("question", name=op.f("pk_answered")),
        sqlite_with_rowid=False,
    )
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
        "imports",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("file_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("stored_as", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_imports")),
    )
    op.create_table(
        "mask_contexts",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_mask_contexts")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_mask_contexts_expires_at"), "mask_contexts", ["expires_at"])
    _make_tables_of_scores()


def _make_tables_of_scores() -> None:
    op.create_table(
        "partial_tables",
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("table_id", sa.BigInteger(), nullable=False),
        sa.Column("absent", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model_version", name=op.f("pk_partial_tables")),
        sa.UniqueConstraint("table_id", name=op.f("uq_partial_tables_table_id")),
    )
    op.create_table(
        "partials",
        sa.Column("table_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("enterprise_id", sa.String(18), nullable=False),
        sa.Column("partial", sa.BigInteger(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("table_id", "enterprise_id", name=op.f("pk_partials")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "requests",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_requests")),
    )
    op.create_index(op.f("ix_requests_expires_at"), "requests", ["expires_at"])
