"""A department gives up its part of a model, for good: nobody is scored with it any more, whatever the bureau says.

What is left is the note that it was given up, so that the run's end cannot bring it back, and with which sets of
departments enterprises were answered. A node that serves notices with the next request.
"""

from __future__ import annotations

from crypto.identifiers import ModelVersion
from participants.department.database import open_database
from participants.department.errors import UnknownModel
from participants.department.partials import PartialTable
from participants.department.staged_rows import remove_unused_rows
from participants.department.unfinished_import import records_of, settle
from participants.home import Home
from participants.model_store import ModelStore


def retire_model(home: Home, version: ModelVersion) -> None:
    """Retire a model here; raises `PeerError` for one that was never here. To do so twice is no fault."""
    model = ModelStore(home.directory / "models", version)
    store, database = records_of(home), open_database(home)
    table = PartialTable(database, version)
    # An import that goes on would put the partials back.
    with store.importing(wait=True):
        settle(store, database)
        if not (model.directory.is_dir() or table.is_here):
            raise UnknownModel("there is no such model here")
        model.retire()
        with database.begin() as connection:
            table.forget(connection)
        remove_unused_rows(database)
