"""The table of a participant's approvals: which runs its operator was asked about, and what was decided.

No row means that the run was never heard of. A run that is not `approved` gets no part of this participant.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Integer, LargeBinary, MetaData, Table, Text

from models.hosting.storage.database import Seconds


def approvals_table(metadata: MetaData) -> Table:
    """Define the table among a role's others."""
    return Table(
        "approvals",
        metadata,
        Column("run_id", Text, primary_key=True),
        Column("plan", LargeBinary, nullable=False),  # the encoded plan that was looked at
        Column("state", Text, nullable=False),
        Column("seen_at", Seconds, nullable=False),
        Column("decided_at", Seconds),
        Column("decided_by", Text),  # the operator, or the policy
        Column("reason", Text),  # of a refusal
        Column("attempts", Integer, nullable=False, server_default="0"),  # the last one that was begun here
        Column("features", LargeBinary(32)),  # SHA-256 of those that the decision was about
        CheckConstraint("state IN ('pending', 'approved', 'refused')", name="state"),
    )
