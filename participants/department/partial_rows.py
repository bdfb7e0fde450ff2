"""Rows of partials by the million, in and out of the database, through its driver.

Rows belong to a table number; which number counts for a model is said elsewhere (`partials.py`), so rows can be written
before anybody reads them, and left behind by a process that was killed without being in anybody's way.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from crypto.identifiers import EnterpriseId
from models.hosting.storage.statement import driver_connection
from participants.department.points_lost import Cells

_AT_ONCE: Final = 50_000
_IDS: Final = 62
"""Bits of a table number: drawn, so that two who write at once do not take the same."""

_INSERT: Final = "INSERT INTO partials (table_id, enterprise_id, partial, as_of, lost) VALUES (?, ?, ?, ?, ?)"
_COPY: Final = "COPY partials (table_id, enterprise_id, partial, as_of, lost) FROM STDIN"
_ALL: Final = {
    "sqlite": "SELECT enterprise_id, partial FROM partials WHERE table_id = ?",
    "postgresql": "SELECT enterprise_id, partial FROM partials WHERE table_id = %s",
}
_SOME: Final = {
    "sqlite": "SELECT enterprise_id, partial FROM partials WHERE table_id = ?"
    " AND enterprise_id IN (SELECT value FROM json_each(?))",
    "postgresql": "SELECT enterprise_id, partial FROM partials WHERE table_id = %s AND enterprise_id = ANY(%s)",
}


def new_table_id() -> int:
    """Draw a table number."""
    return secrets.randbits(_IDS)


def write_rows(
    connection: Connection,
    ids: Sequence[EnterpriseId],
    partials: NDArray[np.int64],
    *,
    as_of: Sequence[int],
    lost: NDArray[np.int32] | None = None,
    table_id: int | None = None,
) -> int:
    """Write a row for each id under this table number or a new one, and return that.

    partials, as_of: (len(ids),). lost: (len(ids), families), if it is known.
    """
    table_id = new_table_id() if table_id is None else table_id
    driver = driver_connection(connection)
    # In the order of the key, rows are appended; in another, each would be searched a place.
    order = np.argsort(np.asarray(ids, dtype="S18"), kind="stable") if len(ids) else np.zeros(0, np.int64)
    values = partials.tolist()
    cells = repeat(None, len(order)) if lost is None else Cells(lost).of(order)
    places = zip(order.tolist(), cells, strict=True)
    rows = ((table_id, ids[row], values[row], as_of[row], cell) for row, cell in places)
    if connection.dialect.name == "postgresql":
        _copy(driver, rows)
    else:
        driver.executemany(_INSERT, rows)
    return table_id


def read_rows(
    connection: Connection, table_id: int, ids: Sequence[EnterpriseId], *, held: int
) -> dict[EnterpriseId, int]:
    """The partials of those of `ids` that the table has; of all its rows (`held`) where that is quicker."""
    driver, dialect = driver_connection(connection), connection.dialect.name
    if len(ids) * 4 > held:
        return dict(driver.execute(_ALL[dialect], (table_id,)))
    found: dict[EnterpriseId, int] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some: Any = list(ids[start : start + _AT_ONCE])
        found.update(driver.execute(_SOME[dialect], (table_id, json.dumps(some) if dialect == "sqlite" else some)))
    return found


def _copy(driver: Any, rows: Iterator[tuple[int, EnterpriseId, int, int, bytes | None]]) -> None:
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        lines: list[str] = []
        for number, enterprise_id, partial, as_of, cell in rows:
            lost = "\\N" if cell is None else f"\\\\x{cell.hex()}"
            lines.append("%d\t%s\t%d\t%d\t%s\n" % (number, enterprise_id, partial, as_of, lost))  # noqa: UP031 - the quickest for a million
            if len(lines) == _AT_ONCE:
                copy.write("".join(lines))
                lines.clear()
        copy.write("".join(lines))
