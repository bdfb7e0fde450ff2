"""Every use of this department's data: when, by which bank, for what, by which model, and where it is in the log.

It is this department's own book, for its operator. It names no enterprise; the consent's digest finds the consent that
is kept here, which does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crypto.identifiers import ModelVersion, ParticipantId
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared
from models.wire.consent import Computation, Purpose
from participants.department.score_checks import Asked

_KEEP: Final = Prepared(
    "INSERT INTO data_uses (digest, position, used_at, bank, model_version, purpose, computation, consent, tag,"
    " request_id) VALUES (:digest, :position, :now, :bank, :version, :purpose, :computation, :consent, :tag,"
    " :request_id) ON CONFLICT DO NOTHING"
)
_LATEST: Final = Prepared(
    "SELECT used_at, bank, purpose, computation, model_version, position, digest, consent FROM data_uses"
    " ORDER BY used_at DESC, position DESC LIMIT :count"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUse:
    """One use. used_at: seconds since 1970. position: of the request's entry in the log. request, consent: digests."""

    used_at: int
    bank: ParticipantId
    purpose: Purpose
    computation: Computation
    model_version: ModelVersion
    position: int
    request: bytes
    consent: bytes


def keep_use(asked: Asked) -> None:
    """Write a use down, in the transaction in which its answer is kept; the same request counts once."""
    statement = asked.statement
    _KEEP.run(
        asked.record.connection,
        digest=asked.digest,
        position=asked.relayed.index,
        now=int(asked.now),
        bank=asked.bank,
        version=asked.model.version,
        purpose=statement.purpose.value,
        computation=statement.computation.value,
        consent=asked.question.consent,
        tag=statement.use_tag,
        request_id=statement.request_id,
    )


def latest_uses(database: Database, count: int) -> list[DataUse]:
    """The last uses of this department's data, the newest first."""
    with database.reading() as connection:
        rows = _LATEST.run(connection, count=count).fetchall()
    return [
        DataUse(
            used_at=int(row[0]),
            bank=ParticipantId(row[1]),
            purpose=Purpose(row[2]),
            computation=Computation(row[3]),
            model_version=ModelVersion(row[4]),
            position=int(row[5]),
            request=bytes(row[6]),
            consent=bytes(row[7]),
        )
        for row in rows
    ]
