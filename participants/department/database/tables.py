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
)

partials: Final = Table(
    "partials",
    metadata,
    Column("table_id", BigInteger, primary_key=True, autoincrement=False),
    Column("enterprise_id", String(18), primary_key=True),
    Column("partial", BigInteger, nullable=False),  # log-odds of default, in fixed point
    Column("as_of", Seconds, nullable=False),  # the day that its row is of, or when it was taken in
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

approvals: Final = approvals_table(metadata)
