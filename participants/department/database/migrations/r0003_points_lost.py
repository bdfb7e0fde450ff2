"""Points lost by reason family, beside each partial. What was written before has none, until the next import."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("partial_tables", sa.Column("families", sa.Text()))
    op.add_column("partial_tables", sa.Column("lost_absent", sa.LargeBinary()))
    op.add_column("partials", sa.Column("lost", sa.LargeBinary()))
