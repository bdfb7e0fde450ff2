"""A department's records as an import left them, also one that was stopped in the middle: see `importer.py`.

Apart from it, because whoever answers score requests opens the records and needs none of what computes partials: a node
that loads that takes twice as long to start.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from sqlalchemy import select

from models.hosting.storage.database import Database
from participants.department.database import open_database
from participants.department.database.tables import imports
from participants.department.store import DepartmentStore
from participants.errors import ImportGoesOn
from participants.home import Home
from participants.records.table_store import TableStore

_DATA: Final = "data"


def open_records(home: Home) -> DepartmentStore:
    """Open a department's records, having brought an import that was stopped to its end (see `settle_import`)."""
    settle_import(home)
    return DepartmentStore(home.directory / _DATA)


def settle_import(home: Home) -> None:
    """Bring an import that was stopped to its end: the records become those of which the database has the partials.

    One that goes on is left alone: it will do that itself.
    """
    store = records_of(home)
    if store.staged is None:
        return
    with suppress(ImportGoesOn), store.importing():
        settle(store, open_database(home))


def records_of(home: Home) -> TableStore:
    """The table of a department's records, as it is."""
    return DepartmentStore(home.directory / _DATA).table_store


def settle(store: TableStore, database: Database) -> None:
    """Publish what was staged if the database has its partials, drop it if not. Only while `importing`."""
    staged = store.staged
    if staged is None:
        return
    newest = select(imports.c.stored_as).order_by(imports.c.import_id.desc()).limit(1)
    with database.reading() as connection:
        taken_in = connection.execute(newest).scalar()
    if taken_in == staged.file:
        store.publish(staged)
    else:
        store.drop_staged()
