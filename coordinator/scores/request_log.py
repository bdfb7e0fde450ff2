"""Score requests at the bureau: who asked, when, by which model, what came of it. About whom, it never knew.

Written before a department sees the request, and again when it has an outcome: a row without one is of a request that
this process did not live to end. A bank that sends the same request again adds nothing but the last outcome, and none
once it was answered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select

from coordinator.database.tables import requests
from coordinator.scores.scoring import Relay
from crypto.identifiers import ModelVersion, ParticipantId
from models.hosting.clock import Clock, SystemClock
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared

_RECEIVED: Final = Prepared(
    "INSERT INTO requests (digest, bank, model_version, received_at, missing)"
    " VALUES (:digest, :bank, :version, :now, :missing) ON CONFLICT DO NOTHING"
)
_ENDED: Final = Prepared(
    "UPDATE requests SET answered_at = :now, outcome = :outcome"
    " WHERE digest = :digest AND (outcome IS NULL OR outcome <> 'answered')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request. `outcome`: `answered`, a type of problem, or none. Times in seconds since 1970."""

    digest: bytes
    bank: ParticipantId
    model_version: ModelVersion
    received_at: int
    answered_at: int | None
    outcome: str | None
    missing: tuple[ParticipantId, ...]


class RequestLog:
    """The log in one database. Several threads and processes may write to it at once."""

    def __init__(self, database: Database, *, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    def received(self, relay: Relay) -> None:
        """A checked request came, for the first time or again."""
        missing = [name for name in relay.model.departments if name not in relay.departments]
        with self._database.begin() as connection:
            _RECEIVED.run(
                connection,
                digest=relay.digest,
                bank=relay.bank,
                version=relay.model.version,
                now=int(self._clock.now()),
                missing=json.dumps(missing),
            )

    def ended(self, digest: bytes, outcome: str) -> None:
        """A request that was received came to this: `answered`, or a type of problem."""
        with self._database.begin() as connection:
            _ENDED.run(connection, digest=digest, outcome=outcome, now=int(self._clock.now()))

    def latest(self, count: int) -> list[LoggedRequest]:
        """The last `count` requests, the newest first."""
        chosen = select(requests).order_by(requests.c.received_at.desc(), requests.c.digest).limit(count)
        with self._database.reading() as connection:
            return [
                LoggedRequest(
                    digest=row["digest"],
                    bank=ParticipantId(row["bank"]),
                    model_version=ModelVersion(row["model_version"]),
                    received_at=row["received_at"],
                    answered_at=row["answered_at"],
                    outcome=row["outcome"],
                    missing=tuple(ParticipantId(name) for name in json.loads(row["missing"] or "[]")),
                )
                for row in connection.execute(chosen).mappings()
            ]
