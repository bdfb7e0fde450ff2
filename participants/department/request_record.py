"""What a department remembers of score requests, so that each is answered once and each enterprise with one set.

All that a request claims, and the answer to it, is written in one transaction of the department's database: it is on
disk before the answer leaves, and a request that is refused leaves nothing behind. Whoever sends the same request again
gets the same bytes again; nothing is computed or claimed for it a second time.

A used request, its answer and its mask context are forgotten some time after the request expired: from its expiry on it
is refused for that. The sets are never forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection

from crypto.errors import MaskContextReused, ProtocolStateError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared, driver_connection
from models.wire.score_statement import MAXIMUM_LIFETIME_SECONDS
from participants.department.answered import claim_set
from participants.department.errors import RequestUsed

KEPT_SECONDS: Final = 2 * MAXIMUM_LIFETIME_SECONDS
"""After its expiry. A clock may be set back by so much before a request could be used twice."""

_CLAIM_REQUEST: Final = Prepared(
    "INSERT INTO requests (digest, expires_at) VALUES (:digest, :expires_at) ON CONFLICT DO NOTHING"
)
_CLAIM_CONTEXT: Final = Prepared(
    "INSERT INTO mask_contexts (digest, expires_at) VALUES (:digest, :expires_at) ON CONFLICT DO NOTHING"
)
_KEEP: Final = Prepared("UPDATE requests SET answer = :answer WHERE digest = :digest AND answer IS NULL")
_ANSWER: Final = Prepared("SELECT answer FROM requests WHERE digest = :digest")
_FORGET: Final = (
    Prepared("DELETE FROM requests WHERE expires_at < :before"),
    Prepared("DELETE FROM mask_contexts WHERE expires_at < :before"),
)


class _Recording(threading.local):
    """The transaction that this thread looks at requests in."""

    connection: Connection | None = None
    writes: bool = False
    expires_at: int = 0


class RequestRecord:
    """The record in one database. It is also the `crypto.masks.ContextLedger` of the masks that requests use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._current = _Recording()
        self._forgotten_before = 0

    @contextmanager
    def recording(self, *, expires_at: int) -> Iterator[Connection]:
        """Take claims of one request; they are on disk when this ends well, and none of them is if it does not.

        Raises `DatabaseUnusable` if they cannot be. What is read meanwhile may be read through the same connection.
        """
        with self._database.begin() as connection:
            self._current.connection, self._current.expires_at = connection, expires_at
            self._current.writes = True
            try:
                yield connection
            finally:
                self._current.connection, self._current.writes = None, False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Undo what is claimed within this if it ends in an error; what was written before may be kept."""
        driver = driver_connection(self._claiming)
        driver.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            driver.execute("ROLLBACK TO SAVEPOINT attempt")
            raise

    @property
    def is_open(self) -> bool:
        """Whether this thread looks at a request or records one."""
        return self._current.connection is not None

    @property
    def connection(self) -> Connection:
        """The connection of the request that this thread looks at or records."""
        if self._current.connection is None:
            raise ProtocolStateError("a request is looked at while the database is read, or it is recorded")
        return self._current.connection

    @property
    def _claiming(self) -> Connection:
        if not self._current.writes:
            raise ProtocolStateError("a request claims what it uses while it is recorded")
        return self.connection

    def stored_answer(self, digest: bytes) -> bytes | None:
        """The answer to a request that was answered before; none if it was not, or is forgotten."""
        if self._current.connection is not None:
            return self._answer(self._current.connection, digest)
        with self._database.reading() as connection:
            return self._answer(connection, digest)

    def claim_request(self, digest: bytes, *, now: float) -> bytes | None:
        """Record a request's first use: none. For a repeated one, the answer that it was given.

        Raises `RequestUsed` for a request that was used before and whose answer was not kept.
        """
        connection = self._claiming
        self._forget(connection, int(now) - KEPT_SECONDS)
        if _CLAIM_REQUEST.run(connection, digest=digest, expires_at=self._current.expires_at).rowcount == 1:
            return None
        answer = self._answer(connection, digest)
        if answer is None:
            raise RequestUsed
        return answer

    def keep_answer(self, digest: bytes, answer: bytes) -> None:
        """Keep the answer to a request that was claimed in this recording. It is kept once."""
        if _KEEP.run(self._claiming, digest=digest, answer=answer).rowcount != 1:
            raise ProtocolStateError("an answer is kept once, for a request that was claimed")

    def claim(self, digest: bytes) -> None:
        """Record a mask context; raises `MaskContextReused` for a second use."""
        if _CLAIM_CONTEXT.run(self._claiming, digest=digest, expires_at=self._current.expires_at).rowcount != 1:
            raise MaskContextReused("a mask context was used before", advice="The bank makes a new request.")

    def claim_set(
        self, version: ModelVersion, bank: ParticipantId, enterprise: EnterpriseId, departments: tuple[str, ...]
    ) -> None:
        """Record with which set an enterprise is answered; raises `AnsweredWithAnotherSet` if it was with another."""
        claim_set(self._claiming, version, bank, enterprise, departments)

    def _forget(self, connection: Connection, before: int) -> None:
        """Forget what expired before; once for each second of the clock."""
        if before != self._forgotten_before:
            for statement in _FORGET:
                statement.run(connection, before=before)
            self._forgotten_before = before

    @staticmethod
    def _answer(connection: Connection, digest: bytes) -> bytes | None:
        row = _ANSWER.run(connection, digest=digest).fetchone()
        return None if row is None or row[0] is None else bytes(row[0])
