"""Partials by the million, written before they count and removed after, so that nobody waits for long meanwhile.

A database that has one writer at a time, as SQLite, would keep every score request waiting for a transaction of
millions of rows. Rows count only when a model names their table number; so they are written and removed by transactions
of some ten thousand.
"""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sqlalchemy import Connection

from crypto.identifiers import ModelVersion
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared
from participants.department.block_partials import AllPartials
from participants.department.partial_rows import new_table_id, write_rows
from participants.department.partials import PartialTable

_ROWS_AT_ONCE: Final = 10_000
_GAP_SECONDS: Final = 0.005
"""Between two transactions: who waits for SQLite's lock looks for it now and then, and would hardly ever meet a gap."""

_NEXT_TABLE: Final = Prepared("SELECT min(table_id) FROM partials WHERE table_id > :after")
_IS_USED: Final = Prepared("SELECT 1 FROM partial_tables WHERE table_id = :table_id")
_LAST: Final = Prepared(
    "SELECT max(enterprise_id) FROM (SELECT enterprise_id FROM partials WHERE table_id = :table_id"
    " ORDER BY enterprise_id LIMIT :count) AS some"
)
_REMOVE: Final = Prepared("DELETE FROM partials WHERE table_id = :table_id AND enterprise_id <= :last")


def stage_partials(database: Database, found: AllPartials) -> dict[ModelVersion, int]:
    """Write the partials of all models; return the table number of each."""
    return {
        version: _stage_rows(database, found.enterprise_ids, partials, found.lost[version].rows, found.as_of)
        for version, partials in found.partials.items()
    }


def adopt_partials(
    database: Database, connection: Connection, found: AllPartials, numbers: dict[ModelVersion, int], *, now: int
) -> None:
    """Put these partials in force, in the caller's transaction."""
    for version, number in numbers.items():
        rows, lost = len(found.enterprise_ids), found.lost[version]
        PartialTable(database, version).adopt(
            connection, number, absent=found.absent[version], rows=rows, as_of=now, lost=lost
        )


def _stage_rows(
    database: Database,
    enterprise_ids: pl.Series,
    partials: NDArray[np.int64],
    lost: NDArray[np.int32],
    as_of: NDArray[np.int64],
) -> int:
    table_id = new_table_id()
    for start in range(0, len(enterprise_ids), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        ids, seconds = enterprise_ids[part].to_list(), as_of[part].tolist()
        with database.begin() as connection:
            write_rows(connection, ids, partials[part], as_of=seconds, lost=lost[part], table_id=table_id)
        time.sleep(_GAP_SECONDS)
    return table_id


def remove_unused_rows(database: Database) -> None:
    """Remove all rows that no model names: of the records before, or of an import that was stopped.

    Only while no other import is going on, of which these may be.
    """
    table_id = -1
    while True:
        with database.reading() as connection:
            (found,) = _NEXT_TABLE.run(connection, after=table_id).fetchone()
        if found is None:
            return
        table_id = int(found)
        while _remove_some(database, table_id):
            time.sleep(_GAP_SECONDS)


def _remove_some(database: Database, table_id: int) -> bool:
    with database.begin() as connection:
        if _IS_USED.run(connection, table_id=table_id).fetchone() is not None:
            return False
        return _removed(connection, table_id)


def _removed(connection: Connection, table_id: int) -> bool:
    (last,) = _LAST.run(connection, table_id=table_id, count=_ROWS_AT_ONCE).fetchone()
    if last is None:
        return False
    _REMOVE.run(connection, table_id=table_id, last=last)
    return True
