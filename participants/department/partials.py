"""Partial scores of many enterprises, masked and under the bank's key: `docs/protocols.md`, "Scores of many".

| who        | learns                                                                                          |
|------------|-------------------------------------------------------------------------------------------------|
| department | whom the bank asks about                                                                        |
| bank       | the sum over departments for each enterprise; a single department's answer opens to a uniform word |
| bureau     | how many are asked about                                                                        |

The difference of two sums over sets that differ by one department is that department's partial. So each enterprise
is answered for one bank and model with one set of departments only (`answered.py`), never below three of them, or what
the department sets (`minimum_departments`). A bank
that gave departments different lists could exchange one enterprise for another at a single department and read the
difference; the list is bound into the masks, so it would find uniform words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId
from crypto.labels import Label
from crypto.lattice.parameters import ADDITION
from crypto.lattice.workers import LatticeWorkers
from models.enterprise_id import parse_enterprise_id
from models.hosting.storage.database import Database
from models.hosting.storage.migrations import wait_for_turn
from models.hosting.storage.statement import Prepared
from models.wire.plan import require_enough_departments
from models.wire.scoring import EnterpriseList, PartialsReply, PartialsRequest
from models.wire.steps import Purpose, Step
from models.wire.training import Turn
from participants.department.answered import AnsweredSets
from participants.department.database import open_database
from participants.department.errors import AnswersForgotten
from participants.department.partial_rows import read_rows, write_rows
from participants.department.points_lost import PointsLost, words_of
from participants.department.settings import require_scores_of_many, smallest_set
from participants.home import Home
from participants.model_store import ModelStore
from participants.runs.run import Run

_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_SECONDS: Final = 86_400

_LOOK_UP: Final = Prepared(
    "SELECT t.absent, p.partial FROM partial_tables t LEFT JOIN partials p"
    " ON p.table_id = t.table_id AND p.enterprise_id = :enterprise_id WHERE t.model_version = :version"
)
_AS_OF: Final = Prepared(
    "SELECT coalesce(p.as_of, t.as_of) FROM partial_tables t LEFT JOIN partials p"
    " ON p.table_id = t.table_id AND p.enterprise_id = :enterprise_id WHERE t.model_version = :version"
)
_LOST: Final = Prepared(
    "SELECT t.families, coalesce(p.lost, t.lost_absent) FROM partial_tables t LEFT JOIN partials p"
    " ON p.table_id = t.table_id AND p.enterprise_id = :enterprise_id WHERE t.model_version = :version"
)
_FORGET: Final = Prepared("DELETE FROM partial_tables WHERE model_version = :version")
_TABLE: Final = Prepared("SELECT table_id, absent, rows FROM partial_tables WHERE model_version = :version")
_ADOPT: Final = Prepared(
    "INSERT INTO partial_tables (model_version, table_id, absent, rows, as_of, families, lost_absent)"
    " VALUES (:version, :table_id, :absent, :rows, :as_of, :families, :lost_absent) ON CONFLICT (model_version)"
    " DO UPDATE SET table_id = excluded.table_id, absent = excluded.absent, rows = excluded.rows,"
    " as_of = excluded.as_of, families = excluded.families, lost_absent = excluded.lost_absent"
)
_DELETE: Final = Prepared("DELETE FROM partials WHERE table_id = :table_id")


class PartialTable:
    """The partials of one model in a department's database: one look-up an enterprise.

    An enterprise without a record has the partial of a record without values.
    """

    def __init__(self, database: Database, version: ModelVersion) -> None:
        self._database = database
        self._version = version

    def words(self, enterprise_ids: Sequence[EnterpriseId], connection: Connection | None = None) -> NDArray[np.uint64]:
        """Partials `(enterprises,)` in two's complement, all as they were at one moment.

        They are read through `connection` if there is one. Raises `PeerError` for a model that is not here.
        """
        if connection is None:
            with self._database.reading() as snapshot:
                return self.words(enterprise_ids, snapshot)
        if len(enterprise_ids) == 1:
            row = _LOOK_UP.run(connection, version=self._version, enterprise_id=enterprise_ids[0]).fetchone()
            absent, partial = self._known(row)
            return np.array([absent if partial is None else partial], np.int64).view(np.uint64)
        table_id, absent, rows = self._known(_TABLE.run(connection, version=self._version).fetchone())
        found = read_rows(connection, table_id, enterprise_ids, held=rows)
        partials = (found.get(enterprise_id, absent) for enterprise_id in enterprise_ids)
        return np.fromiter(partials, np.int64, len(enterprise_ids)).view(np.uint64)

    def lost_words(self, enterprise_id: EnterpriseId, connection: Connection | None = None) -> NDArray[np.uint64]:
        """What an enterprise loses by reason family, `(families,)` in two's complement; 0 in those the block has not.

        It is read through `connection` if there is one. Raises `PeerError` for a model that is not here, and
        `ReasonsNotKept` if an earlier release computed its partials.
        """
        if connection is None:
            with self._database.reading() as snapshot:
                return self.lost_words(enterprise_id, snapshot)
        row = _LOST.run(connection, version=self._version, enterprise_id=enterprise_id).fetchone()
        return words_of(*self._known(row))

    def as_of(self, enterprise_id: EnterpriseId) -> int:
        """Of when an enterprise's data are, in seconds since 1970; without a record, when the others were taken in."""
        with self._database.reading() as connection:
            row = _AS_OF.run(connection, version=self._version, enterprise_id=enterprise_id).fetchone()
        return int(self._known(row)[0])

    @property
    def is_here(self) -> bool:
        """Whether the database has partials of this model, be it of no enterprise."""
        with self._database.reading() as connection:
            return _TABLE.run(connection, version=self._version).fetchone() is not None

    def forget(self, connection: Connection) -> None:
        """Have no partials of this model, in the caller's transaction. Rows that no model names are left behind."""
        _FORGET.run(connection, version=self._version)

    def replace(
        self,
        connection: Connection,
        ids: Sequence[EnterpriseId],
        partials: NDArray[np.int64],
        *,
        as_of: int,
        days: Sequence[date | None] | None = None,
        absent: int | None = None,
        lost: PointsLost | None = None,
    ) -> None:
        """Put these in the place of all partials of this model, in the caller's transaction.

        partials: (len(ids),). `as_of`: when the records were taken in, in seconds since 1970; `days`: of which day each
        one's data are, where that is known. `absent`: the partial of a record without values; if left out, what it was.
        `lost`: rows for `ids`; if left out, points lost are not known any more.
        """
        wait_for_turn(connection, f"partials of {self._version}")  # or the rows of one of two would never be deleted
        before = _TABLE.run(connection, version=self._version).fetchone()
        if absent is None:
            absent = self._known(before)[1]
        seconds = _seconds(days or [None] * len(ids), as_of)
        table_id = write_rows(connection, ids, partials, as_of=seconds, lost=None if lost is None else lost.rows)
        self.adopt(connection, table_id, absent=absent, rows=len(ids), as_of=as_of, lost=lost)
        if before is not None:
            _DELETE.run(connection, table_id=before[0])

    def adopt(
        self,
        connection: Connection,
        table_id: int,
        *,
        absent: int,
        rows: int,
        as_of: int,
        lost: PointsLost | None = None,
    ) -> None:
        """Make the rows that were written under this table number this model's, in the caller's transaction.

        lost: what the rows were written with.
        """
        families = None if lost is None else lost.families
        lost_absent = None if lost is None else lost.absent_cell
        own = {"absent": absent, "rows": rows, "as_of": as_of, "families": families, "lost_absent": lost_absent}
        _ADOPT.run(connection, version=self._version, table_id=table_id, **own)

    @staticmethod
    def _known(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
        if row is None:
            raise PeerError("there is no such model here")
        return row


def _seconds(days: Sequence[date | None], otherwise: int) -> list[int]:
    """The beginning of each day in UTC, in seconds since 1970."""
    return [otherwise if day is None else (day.toordinal() - _FIRST_DAY) * _DAY_SECONDS for day in days]


def partial_table(home: Home, version: ModelVersion) -> PartialTable:
    """The partials of a model in a department's home."""
    return PartialTable(open_database(home), version)


def require_partials(home: Home, database: Database) -> None:
    """Refuse a database that is not the one that this home answered from; raises `AnswersForgotten`.

    Partials are written before the model is (`DepartmentFinisher.activate`), and go with it alone.
    """
    for model in ModelStore.all(home.directory / "models"):
        if not PartialTable(database, model.version).is_here:
            raise AnswersForgotten(model.version)


class PartialsGiver:
    """Answers a bank's list."""

    def __init__(self, run: Run, workers: LatticeWorkers) -> None:
        self._run = run
        self._workers = workers

    def give(self, request: PartialsRequest) -> PartialsReply:
        """Verify the list, look the partials up, mask and encrypt them.

        Raises `ProtectionUnavailable` unless this department's settings let lists be scored.
        """
        require_scores_of_many(self._run.home.directory)
        bank = ParticipantId(request.bank)
        turn = batch_turn(request.run_id, request.batch, request.departments, bank)
        self._run.check_turn(turn)
        require_enough_departments(len(request.departments), minimum=smallest_set(self._run.home.directory))
        asked = EnterpriseList.decode(
            self._run.hear_sealed(request.list, Step.ASK_SCORES, turn, sender=bank, label=Label.SEALED_REQUEST)
        )
        ids = tuple(parse_enterprise_id(text) for text in asked.enterprise_ids)
        if not ids or len(set(ids)) != len(ids):
            raise PeerError("a list of enterprises is empty or names one twice")
        version = ModelVersion(asked.model_version)
        if ModelStore(self._run.home.directory / "models", version).facts()["run_id"] != self._run.plan.run_id:
            raise PeerError("a list asks for scores by the model of another run")
        database = open_database(self._run.home)
        words = PartialTable(database, version).words(ids)
        AnsweredSets(database).claim(version, bank, ids, request.departments)
        # The list is part of the context: if departments were given different lists, nothing cancels.
        direction = f"{bank}/{hashlib.sha256(asked.encode()).hexdigest()}"
        context = self._run.mask_context(turn, Purpose.PARTIALS, direction, request.departments)
        masked = (words + self._run.secrets.zero_sum_mask(context, len(words))) % np.uint64(ADDITION.plain_modulus)
        key = self._run.bank_keys[bank].scoring
        return PartialsReply(ciphertexts=tuple(self._workers.encrypt_partials(key, masked)))


def batch_turn(run_id: str, batch: int, departments: tuple[str, ...], bank: ParticipantId) -> Turn:
    """The turn of a batch: its number stands for the round."""
    return Turn(run_id=run_id, round=batch, attempt=0, departments=departments, banks=(bank,))
