"""With which set of departments each enterprise was answered, for each bank and model: with one only.

Two sums over sets that differ by one department differ by that department's partial. The memory is a table in the
department's home; it starts afresh with another model version, whose partials are others.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId

TABLE = """CREATE TABLE IF NOT EXISTS answered (
    question BLOB PRIMARY KEY,  -- SHA-256 of model, bank and enterprise, first 16 bytes
    members BLOB NOT NULL       -- SHA-256 of the set
) WITHOUT ROWID"""


class AnsweredSets:
    """The table in one file."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._path = path

    def claim(
        self, version: ModelVersion, bank: ParticipantId, ids: Sequence[EnterpriseId], departments: Sequence[str]
    ) -> None:
        """Record that these are answered with this set; raises `PeerError` if one was answered with another."""
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as database:
            database.execute(TABLE)
            # From here on nobody else writes: what is found not to be answered is not answered meanwhile.
            database.execute("BEGIN IMMEDIATE")
            claim_set(database, version, bank, ids, departments)
            database.execute("COMMIT")


def claim_set(
    database: sqlite3.Connection,
    version: ModelVersion,
    bank: ParticipantId,
    ids: Sequence[EnterpriseId],
    departments: Sequence[str],
) -> None:
    """Do what `AnsweredSets.claim` does in an immediate transaction of the caller's, where `TABLE` exists."""
    members = hashlib.sha256("\n".join(departments).encode()).digest()
    rows = [(hashlib.sha256(f"{version}\n{bank}\n{name}".encode()).digest()[:16], members) for name in ids]
    for question, _ in rows:
        known = database.execute("SELECT members FROM answered WHERE question = ?", (question,)).fetchone()
        if known is not None and known[0] != members:
            raise PeerError(
                "an enterprise was already answered with another set of departments",
                advice="ask again when the same departments are up, or under a new model version",
            )
    database.executemany("INSERT OR IGNORE INTO answered VALUES (?, ?)", rows)
