"""What a department has seen of the transparency log, the consents that it keeps, and the uses of its data."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "log_seen",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=False),
        sa.Column("cosigned_at", sa.BigInteger(), nullable=False),
        sa.Column("clock_ahead_seconds", sa.Integer()),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_log_seen")),
    )
    op.create_table(
        "log_roots",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_roots")),
    )
    op.create_table(
        "log_alarms",
        sa.Column("alarm_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.LargeBinary(), nullable=False),
        sa.Column("shown", sa.LargeBinary(), nullable=False),
        sa.Column("settled_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("alarm_id", name=op.f("pk_log_alarms")),
    )
    _make_tables_of_entries()
    _make_tables_of_consents()


def _make_tables_of_entries() -> None:
    op.create_table(
        "log_digests",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_log_digests")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log_uses",
        sa.Column("tag", sa.LargeBinary(16), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tag", name=op.f("pk_log_uses")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log_notices",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("tag", sa.LargeBinary(16), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_log_notices")),
    )
    op.create_index(op.f("ix_log_notices_kind_tag"), "log_notices", ["kind", "tag"])


def _make_tables_of_consents() -> None:
    op.create_table(
        "consents",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_consents")),
    )
    op.create_table(
        "handed_changes",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("tag", sa.LargeBinary(16), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("handed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_handed_changes")),
    )
    op.create_index(op.f("ix_handed_changes_tag"), "handed_changes", ["tag"])
    op.create_table(
        "data_uses",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.Column("bank", sa.Text(), nullable=False),
        sa.Column("model_version", sa.String(32), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("computation", sa.Text(), nullable=False),
        sa.Column("consent", sa.LargeBinary(32), nullable=False),
        sa.Column("tag", sa.LargeBinary(16), nullable=False),
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_data_uses")),
    )
    op.create_index(op.f("ix_data_uses_used_at"), "data_uses", ["used_at"])
    op.create_index(op.f("ix_data_uses_tag"), "data_uses", ["tag"])
