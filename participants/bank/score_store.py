"""What a bank keeps of its requests and scores, in its database.

A request is kept before it is sent, and is open until its score is: so a bank that is killed in between finds the very
bytes again, and who answered them already gives the same answer. A score takes its request's place in one transaction.

Under one request id there is one open request or one score, whoever keeps it first. Who is second gets to know it, so
that two who ask under one id at once send the same bytes and come to the same score.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from crypto.identifiers import EnterpriseId, ModelVersion, RequestId
from models.hosting.storage.database import Database
from models.wire.online import Offer, ScoreRequest
from models.wire.score_statement import MAXIMUM_LIFETIME_SECONDS
from participants.bank.database.tables import open_requests, scores
from participants.bank.score_request import OpenRequest, Score

ANSWERS_KEPT_SECONDS: Final = 2 * MAXIMUM_LIFETIME_SECONDS
"""After its expiry a request is answered for so long by who answered it before. Then nothing can come of it."""

_LISTS: Final = ("departments", "missing")


class ScoreStore:
    """The two tables. Several threads and processes may use it at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, asked: OpenRequest, *, now: float, instead_of: Iterable[bytes] = ()) -> OpenRequest | Score:
        """Keep a request that is about to be sent, in the place of those of these digests; return what is kept.

        That is another one, or a score, if somebody else was first under this request id.
        """
        statement = asked.statement
        row = {
            "digest": asked.digest,
            "request_id": statement.request_id,
            "enterprise_id": asked.enterprise_id,
            "request": asked.request.encode(),
            "offer": asked.offer.encode(),
            "expires_at": statement.expires_at,
        }
        over = open_requests.c.expires_at < int(now) - ANSWERS_KEPT_SECONDS
        with self._database.begin() as connection:
            if digests := tuple(instead_of):
                connection.execute(delete(open_requests).where(open_requests.c.digest.in_(digests)))
            kept = _first_of(connection, open_requests, row)
            # Whoever has come to a score meanwhile has committed it: the row above was waited for.
            scored = connection.execute(select(scores).where(scores.c.request_id == statement.request_id)).first()
            if scored is not None:
                over |= open_requests.c.request_id == statement.request_id
            connection.execute(delete(open_requests).where(over))
        return _open_request(kept) if scored is None else _score(scored)

    def open(self) -> list[OpenRequest]:
        """All requests that are not answered, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(open_requests).order_by(open_requests.c.expires_at)).all()
        return [_open_request(row) for row in rows]

    def open_request(self, request_id: RequestId) -> OpenRequest | None:
        """The open request of this id."""
        with self._database.reading() as connection:
            row = connection.execute(select(open_requests).where(open_requests.c.request_id == request_id)).first()
        return None if row is None else _open_request(row)

    def give_up(self, digests: Iterable[bytes]) -> None:
        """Forget requests to which no answer will come."""
        with self._database.begin() as connection:
            connection.execute(delete(open_requests).where(open_requests.c.digest.in_(tuple(digests))))

    def scored(self, score: Score) -> Score:
        """Keep a score and close its request; return the score that is kept: the first under its request id."""
        row = asdict(score) | {name: json.dumps(getattr(score, name)) for name in _LISTS}
        with self._database.begin() as connection:
            connection.execute(delete(open_requests).where(open_requests.c.request_id == score.request_id))
            return _score(_first_of(connection, scores, row))

    def score(self, request_id: RequestId) -> Score | None:
        """The score that a request came to."""
        with self._database.reading() as connection:
            row = connection.execute(select(scores).where(scores.c.request_id == request_id)).first()
        return None if row is None else _score(row)

    def latest_score(self, enterprise_id: EnterpriseId, version: ModelVersion) -> Score | None:
        """The latest score of an enterprise by a model."""
        found = select(scores).where(scores.c.enterprise_id == enterprise_id, scores.c.model_version == version)
        with self._database.reading() as connection:
            row = connection.execute(found.order_by(scores.c.scored_at.desc()).limit(1)).first()
        return None if row is None else _score(row)


def _first_of(connection: Connection, table: Table, row: dict[str, Any]) -> Row[tuple[Any, ...]]:
    """Insert a row unless there is one under its request id; return the one that there is, locked in either case."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    same = {"request_id": row["request_id"]}
    upsert = insert(table).values(row).on_conflict_do_update(index_elements=[table.c.request_id], set_=same)
    return connection.execute(upsert.returning(*table.c)).one()


def _open_request(row: Row[tuple[object, ...]]) -> OpenRequest:
    kept = row._mapping  # noqa: SLF001 - SQLAlchemy's public name begins so
    return OpenRequest(
        enterprise_id=kept["enterprise_id"],
        request=ScoreRequest.decode(kept["request"]),
        offer=Offer.decode(kept["offer"]),
    )


def _score(row: Row[tuple[object, ...]]) -> Score:
    fields = dict(row._mapping)  # noqa: SLF001 - as above
    return Score(**fields | {name: tuple(json.loads(fields[name])) for name in _LISTS})
