"""The consents that a bank was given, their uses, and the receipts of its requests."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "consents",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("consent_id", sa.String(32), nullable=False),
        sa.Column("enterprise_id", sa.String(18), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.LargeBinary()),
        sa.Column("missing", sa.Text(), nullable=False),
        sa.Column("ended", sa.Text()),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_consents")),
        sa.UniqueConstraint("consent_id", name=op.f("uq_consents_consent_id")),
    )
    op.create_index(op.f("ix_consents_enterprise_id_purpose"), "consents", ["enterprise_id", "purpose"])
    op.create_table(
        "consent_uses",
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.Column("consent", sa.LargeBinary(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=False),
        sa.Column("first_digest", sa.LargeBinary(32)),
        sa.ForeignKeyConstraint(["consent"], ["consents.digest"], name=op.f("fk_consent_uses_consent")),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_consent_uses")),
        sa.UniqueConstraint("consent", "number", name=op.f("uq_consent_uses_consent_number")),
    )
    op.create_table(
        "receipts",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("witnesses", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.Text()),
        sa.Column("reasons_for_enterprise", sa.LargeBinary()),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_receipts")),
    )
    op.create_index(op.f("ix_receipts_received_at"), "receipts", ["received_at"])
    op.create_index(op.f("ix_receipts_request_id"), "receipts", ["request_id"])
