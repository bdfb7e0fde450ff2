"""The transparency log: its head, and the entries that are on their way into its tiles."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Make both."""
    op.create_table(
        "log_head",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_log_head")),
    )
    op.create_table(
        "log_staged",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["origin"], ["log_head.origin"], name=op.f("fk_log_staged_origin")),
        sa.PrimaryKeyConstraint("origin", "start", name=op.f("pk_log_staged")),
    )
