"""With which set of departments each enterprise was answered, for each bank and model: with one only.

Two sums over sets that differ by one department differ by that department's partial. The memory is a table of the
department's database; it starts afresh with another model version, whose partials are others. It holds no id: a
question is a digest of model, bank and enterprise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection

from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared, driver_connection
from participants.department.errors import AnsweredWithAnotherSet

QUESTION_BYTES: Final = 16
_AT_ONCE: Final = 10_000

_CLAIM: Final = Prepared("INSERT INTO answered (question, members) VALUES (:question, :members) ON CONFLICT DO NOTHING")
_MEMBERS: Final = Prepared("SELECT members FROM answered WHERE question = :question")
_CLAIM_ALL: Final = {
    "sqlite": "INSERT INTO answered (question, members) VALUES (?, ?) ON CONFLICT DO NOTHING",
    "postgresql": "INSERT INTO answered (question, members) SELECT unnest(%s::bytea[]), %s ON CONFLICT DO NOTHING",
}
_OTHERS: Final = {
    "sqlite": "SELECT count(*) FROM answered WHERE members <> ? AND question IN ({marks})",
    "postgresql": "SELECT count(*) FROM answered WHERE members <> %s AND question = ANY(%s)",
}


class AnsweredSets:
    """The table in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(
        self, version: ModelVersion, bank: ParticipantId, ids: Sequence[EnterpriseId], departments: Sequence[str]
    ) -> None:
        """Record that these are answered with this set; raises `AnsweredWithAnotherSet` if one was with another."""
        members = _digest_of_set(departments)
        # In one order everywhere: two lists that are claimed at once wait for each other and never in a circle.
        questions = sorted({_question(version, bank, name) for name in ids})
        with self._database.begin() as connection:
            # Whoever claimed one of these at the same time is waited for here; what is found below is final.
            for start in range(0, len(questions), _AT_ONCE):
                _claim_some(connection, questions[start : start + _AT_ONCE], members)


def claim_set(
    connection: Connection,
    version: ModelVersion,
    bank: ParticipantId,
    enterprise: EnterpriseId,
    departments: Sequence[str],
) -> None:
    """Do what `AnsweredSets.claim` does, for one enterprise and in the caller's transaction."""
    question, members = _question(version, bank, enterprise), _digest_of_set(departments)
    claimed = _CLAIM.run(connection, question=question, members=members).rowcount == 1
    if not claimed and _MEMBERS.run(connection, question=question).fetchone()[0] != members:
        raise AnsweredWithAnotherSet


def _claim_some(connection: Connection, questions: list[bytes], members: bytes) -> None:
    driver, dialect = driver_connection(connection), connection.dialect.name
    cursor = driver.cursor()
    if dialect == "postgresql":
        cursor.execute(_CLAIM_ALL[dialect], (questions, members))
        claimed = cursor.rowcount
        values: tuple[object, ...] = (members, questions)
    else:
        claimed = cursor.executemany(_CLAIM_ALL[dialect], _pairs(questions, members)).rowcount
        values = (members, *questions)
    if claimed == len(questions):
        return
    others = _OTHERS[dialect].format(marks=",".join("?" * len(questions)))
    if cursor.execute(others, values).fetchone()[0]:
        raise AnsweredWithAnotherSet


def _pairs(questions: list[bytes], members: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((question, members) for question in questions)


def _question(version: ModelVersion, bank: ParticipantId, enterprise: EnterpriseId) -> bytes:
    return hashlib.sha256(f"{version}\n{bank}\n{enterprise}".encode()).digest()[:QUESTION_BYTES]


def _digest_of_set(departments: Sequence[str]) -> bytes:
    return hashlib.sha256("\n".join(departments).encode()).digest()
