"""What a department remembers of score requests, so that each is answered once and each enterprise with one set.

One SQLite file, shared with `answered.py`. All that a request claims is written in one transaction: it is on disk
before the answer leaves, and a request that is refused leaves nothing behind.

A used request and its mask context are forgotten some time after the request expired: from its expiry on it is refused
for that. The sets are never forgotten.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from crypto.errors import MaskContextReused, PeerError, ProtectionUnavailable, ProtocolStateError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId
from models.wire.score_statement import MAXIMUM_LIFETIME_SECONDS
from participants.department.answered import TABLE, claim_set

KEPT_SECONDS: Final = 2 * MAXIMUM_LIFETIME_SECONDS
"""After its expiry. A clock may be set back by so much before a request could be used twice."""

_USED: Final = """CREATE TABLE IF NOT EXISTS used (
    digest BLOB PRIMARY KEY,      -- of a request or of a mask context
    expires_at INTEGER NOT NULL   -- when the request does
) WITHOUT ROWID"""


class RequestRecord:
    """The record in one file. It is also the `crypto.masks.ContextLedger` of the masks that requests use."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._lock = threading.RLock()
        self._expires_at = 0
        try:
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            for statement in (TABLE, _USED, "CREATE INDEX IF NOT EXISTS used_by_expiry ON used (expires_at)"):
                self._database.execute(statement)
        except sqlite3.Error as fault:
            raise _unusable(fault) from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def recording(self, *, expires_at: int) -> Iterator[None]:
        """Take claims of one request; they are on disk when this ends well, and none of them is if it does not."""
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                self._expires_at = expires_at
                yield
                self._database.execute("COMMIT")
            except sqlite3.Error as fault:
                raise _unusable(fault) from None
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    def claim_request(self, digest: bytes, *, now: float) -> None:
        """Record a request's first use; raises `PeerError` for a second one."""
        self._execute("DELETE FROM used WHERE expires_at < ?", (int(now) - KEPT_SECONDS,))
        if not self._insert(digest):
            raise PeerError("a score request was used before", advice="The bank makes a new request.")

    def claim(self, digest: bytes) -> None:
        """Record a mask context; raises `MaskContextReused` for a second use."""
        if not self._insert(digest):
            raise MaskContextReused("a mask context was used before", advice="The bank makes a new request.")

    def claim_set(
        self, version: ModelVersion, bank: ParticipantId, enterprise: EnterpriseId, departments: tuple[str, ...]
    ) -> None:
        """Record with which set an enterprise is answered; raises `PeerError` if it was answered with another."""
        with self._lock:
            self._check_recording()
            claim_set(self._database, version, bank, (enterprise,), departments)

    def _insert(self, digest: bytes) -> bool:
        return self._execute("INSERT OR IGNORE INTO used VALUES (?, ?)", (digest, self._expires_at)) == 1

    def _execute(self, statement: str, values: tuple[bytes | int, ...]) -> int:
        with self._lock:
            self._check_recording()
            return self._database.execute(statement, values).rowcount

    def _check_recording(self) -> None:
        if not self._database.in_transaction:
            raise ProtocolStateError("a request claims what it uses while it is recorded")


def _unusable(fault: sqlite3.Error) -> ProtectionUnavailable:
    return ProtectionUnavailable(
        f"the record of score requests cannot be used ({type(fault).__name__}), so nothing is answered",
        advice="Look at the disk of this department's home.",
    )
