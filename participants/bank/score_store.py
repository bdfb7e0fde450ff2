"""What a bank keeps of its requests and scores, in its database.

A request is kept before it is sent, and is open until its score is: so a bank that is killed in between finds the very
bytes again, and who answered them already gives the same answer. A score takes its request's place in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Final

from sqlalchemy import Row, delete, insert, select

from crypto.identifiers import EnterpriseId, ModelVersion, RequestId
from models.hosting.storage.database import Database
from models.wire.online import Offer, ScoreRequest
from participants.bank.database.tables import open_requests, scores
from participants.bank.score_request import OpenRequest, Score

_LISTS: Final = ("departments", "missing")


class ScoreStore:
    """The two tables. Several threads and processes may use it at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, asked: OpenRequest, *, instead_of: Iterable[bytes] = ()) -> None:
        """Keep a request that is about to be sent, in the place of those of these digests."""
        statement = asked.statement
        row = {
            "digest": asked.digest,
            "request_id": statement.request_id,
            "enterprise_id": asked.enterprise_id,
            "request": asked.request.encode(),
            "offer": asked.offer.encode(),
            "expires_at": statement.expires_at,
        }
        given_up = open_requests.c.digest.in_(tuple(instead_of)) | (open_requests.c.request_id == statement.request_id)
        with self._database.begin() as connection:
            connection.execute(delete(open_requests).where(given_up))
            connection.execute(insert(open_requests).values(row))

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

    def scored(self, digest: bytes, score: Score, *, at: float) -> None:
        """Keep a score and close its request."""
        row = asdict(score) | {name: json.dumps(getattr(score, name)) for name in _LISTS} | {"scored_at": int(at)}
        with self._database.begin() as connection:
            connection.execute(delete(open_requests).where(open_requests.c.digest == digest))
            connection.execute(delete(scores).where(scores.c.request_id == score.request_id))
            connection.execute(insert(scores).values(row))

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


def _open_request(row: Row[tuple[object, ...]]) -> OpenRequest:
    kept = row._mapping  # noqa: SLF001 - SQLAlchemy's public name begins so
    return OpenRequest(
        enterprise_id=kept["enterprise_id"],
        request=ScoreRequest.decode(kept["request"]),
        offer=Offer.decode(kept["offer"]),
    )


def _score(row: Row[tuple[object, ...]]) -> Score:
    fields = dict(row._mapping)  # noqa: SLF001 - as above
    del fields["scored_at"]
    return Score(**fields | {name: tuple(json.loads(fields[name])) for name in _LISTS})
