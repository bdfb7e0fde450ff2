"""The tables of a department's database. Their form changes by a revision in `migrations` only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from models.hosting.storage.database import Seconds, new_metadata
from participants.runs.approvals_table import approvals_table

metadata: Final = new_metadata()

partial_tables: Final = Table(
    "partial_tables",
    metadata,
    Column("model_version", String(32), primary_key=True),
    Column("table_id", BigInteger, nullable=False, unique=True),  # of the rows in `partials` that count
    Column("absent", BigInteger, nullable=False),  # the partial of an enterprise that is not held
    Column("rows", Integer, nullable=False),
    Column("as_of", Seconds, nullable=False),  # when the records were taken in
    Column("families", Text),  # codes of the reason families that `lost` has; none if an earlier release wrote the rows
    Column("lost_absent", LargeBinary),  # the points lost by an enterprise that is not held
)

partials: Final = Table(
    "partials",
    metadata,
    Column("table_id", BigInteger, primary_key=True, autoincrement=False),
    Column("enterprise_id", String(18), primary_key=True),
    Column("partial", BigInteger, nullable=False),  # log-odds of default, in fixed point
    Column("as_of", Seconds, nullable=False),  # the day that its row is of, or when it was taken in
    Column("lost", LargeBinary),  # points lost by reason family (`points_lost.py`)
    sqlite_with_rowid=False,
)

requests: Final = Table(
    "requests",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("expires_at", Seconds, nullable=False),
    Column("answer", LargeBinary),  # given again to whoever asks again with the same request
    Index(None, "expires_at"),
)

mask_contexts: Final = Table(
    "mask_contexts",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("expires_at", Seconds, nullable=False),  # when its request does
    Index(None, "expires_at"),
    sqlite_with_rowid=False,
)

answered: Final = Table(
    "answered",
    metadata,
    Column("question", LargeBinary(16), primary_key=True),  # SHA-256 of model, bank and enterprise, its beginning
    Column("members", LargeBinary(32), nullable=False),  # SHA-256 of the set
    sqlite_with_rowid=False,
)

imports: Final = Table(
    "imports",
    metadata,
    Column("import_id", Integer, primary_key=True),
    Column("file_digest", LargeBinary(32), nullable=False),  # SHA-256 of the file as it came
    Column("stored_as", Text, nullable=False),  # the name, below `data`, of what was made of it
    Column("rows", Integer, nullable=False),
    Column("imported_at", Seconds, nullable=False),
)

log_seen: Final = Table(
    "log_seen",
    metadata,
    Column("origin", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),  # the right edge of the tree
    Column("checkpoint", LargeBinary, nullable=False),  # signed by the log
    Column("cosigned_at", Seconds, nullable=False),  # the latest time that a cosignature of this department has
    Column("clock_ahead_seconds", Integer),  # of the other witnesses' clocks, when they were compared last
)

log_roots: Final = Table(
    "log_roots",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
)

log_digests: Final = Table(
    "log_digests",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("position", BigInteger, nullable=False),  # of the first entry with it
    sqlite_with_rowid=False,
)

log_uses: Final = Table(
    "log_uses",
    metadata,
    Column("tag", LargeBinary(16), primary_key=True),
    Column("position", BigInteger, nullable=False),  # of the first entry with it
    Column("digest", LargeBinary(32), nullable=False),
    Column("seen_at", Seconds, nullable=False),
    sqlite_with_rowid=False,
)

log_notices: Final = Table(
    "log_notices",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Integer, nullable=False),
    Column("tag", LargeBinary(16), nullable=False),  # empty for kinds without one
    Column("document", LargeBinary, nullable=False),
    Index(None, "kind", "tag"),
)

log_alarms: Final = Table(
    "log_alarms",
    metadata,
    Column("alarm_id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("raised_at", Seconds, nullable=False),
    Column("seen", LargeBinary, nullable=False),  # the checkpoint that this department had seen
    Column("shown", LargeBinary, nullable=False),  # the one that it was shown then
    Column("settled_at", Seconds),
)

consents: Final = Table(
    "consents",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("bundle", LargeBinary, nullable=False),  # encoded, as it was verified
    Column("kept_at", Seconds, nullable=False),
)

handed_changes: Final = Table(
    "handed_changes",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("tag", LargeBinary(16), nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("handed_at", Seconds, nullable=False),
    Index(None, "tag"),
)

data_uses: Final = Table(
    "data_uses",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),  # of the request
    Column("position", BigInteger, nullable=False),  # of the request's entry in the log
    Column("used_at", Seconds, nullable=False),
    Column("bank", Text, nullable=False),
    Column("model_version", String(32), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("computation", Text, nullable=False),
    Column("consent", LargeBinary(32), nullable=False),  # its digest
    Column("tag", LargeBinary(16), nullable=False),  # of the use
    Column("request_id", String(32), nullable=False),
    Index(None, "used_at"),
    Index(None, "tag"),
)

approvals: Final = approvals_table(metadata)
