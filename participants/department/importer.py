"""A department takes in a file of records: the records, and the partial score of each by each model, in one step.

What is done, in this order, so that a machine that stops at any moment leaves the old records with the old partials, or
the new ones with the new:

1. The new table is written beside the old one, under a name that is its digest, and then `staged.json`, which names it.
2. The new partials are written to the database under new table numbers that no model names.
3. One transaction gives these numbers to the models and notes the import, with the new table's name. This is the step.
4. `staged.json` becomes `current.json`.
5. The old table and the old partials are removed.

Scoring reads the database alone and goes on: what is written in 2 and removed in 5 is so by short transactions. If the
machine stops between 3 and 4, `unfinished_import.settle_import` does 4 before the records are read again; if it stops
before 3, it drops what was staged. `open_records` calls it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import insert

from crypto.identifiers import ModelVersion
from models.block_file import AnyBlock, block_from_bytes
from models.hosting.storage.database import Database
from participants.clock import Clock, SystemClock
from participants.department.block_partials import AllPartials, all_partials, columns_of
from participants.department.database import open_database
from participants.department.database.tables import imports
from participants.department.partials import require_partials
from participants.department.staged_rows import adopt_partials, remove_unused_rows, stage_partials
from participants.department.unfinished_import import records_of, settle
from participants.home import Home
from participants.model_store import ModelStore
from participants.records.data_file import DataFile, TableLimits
from participants.records.table_store import StoredTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOutcome:
    """What an import did. `seconds` of wall time: `table` (read, check, store), `partials` (compute), `database`."""

    rows: int
    models: int
    seconds: dict[str, float] = field(default_factory=dict)


def import_data(home: Home, path: Path, *, clock: Clock | None = None) -> ImportOutcome:
    """Put the records of a CSV or Parquet file in the place of all of this department's, and its partials with them.

    Raises `TableRefused` for a file with faults, `ImportGoesOn` while another goes on, `InvalidModelInput` if a model's
    feature is no longer in the contract, and `AnswersForgotten` for a database that this home did not answer from:
    with partials in it, it would. Nothing has changed then.
    """
    store, database, watch = records_of(home), open_database(home), _Watch()
    now = int((clock or SystemClock()).now())
    with DataFile(path, TableLimits()) as source, store.importing():
        settle(store, database)
        require_partials(home, database)
        with watch.timing("table"):
            staged = store.stage(path)
        try:
            with watch.timing("partials"):
                blocks, contract = _blocks(home), store.contract
                parts = store.parts(staged, columns_of(blocks.values(), contract))
                found = all_partials(blocks, contract, parts, now=now)
            with watch.timing("database"):
                _take_in(database, staged, found, source.digest(), now)
        except BaseException:
            # The transaction may be in force though its end was not heard of; the database knows.
            settle(store, database)
            raise
        store.publish(staged)
        with watch.timing("database"):
            remove_unused_rows(database)
    return ImportOutcome(rows=staged.rows, models=len(blocks), seconds=watch.seconds)


def _blocks(home: Home) -> dict[ModelVersion, AnyBlock]:
    """The block of every model that this home keeps."""
    return {model.version: block_from_bytes(model.block()) for model in ModelStore.all(home.directory / "models")}


def _take_in(database: Database, staged: StoredTable, found: AllPartials, digest: bytes, now: int) -> None:
    numbers = stage_partials(database, found)
    with database.begin() as connection:
        adopt_partials(database, connection, found, numbers, now=now)
        connection.execute(
            insert(imports).values(file_digest=digest, stored_as=staged.file, rows=staged.rows, imported_at=now)
        )


class _Watch:
    """Seconds of wall time by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start
