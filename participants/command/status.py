"""What a participant's node holds, for `status`."""

from __future__ import annotations

from typing import Any

from participants.command.runs import waiting_runs
from participants.home import Home
from participants.model_store import ModelStore
from participants.records.records import Records


def node_status(home: Home, records: Records) -> dict[str, Any]:
    """Who this node is, how much it holds, its models, and the runs that wait for its operator. No id, no value."""
    store = records.table_store
    newest = None if records.is_empty else store.newest()
    changed = newest is not None and not store.keeps_to_contract(newest)
    return {
        "participant_id": home.participant_id,
        "role": str(home.role),
        "title": home.title,
        "serial": home.serial,
        "keys": "a rotation is prepared" if home.next_document() is not None else "in use",
        "pinned": len(home.pins.names()),
        "records": 0 if newest is None else newest.rows,
        "contract": "changed: import again" if changed else "in use",
        "models": [model.version for model in ModelStore.all(home.directory / "models")],
        "runs": waiting_runs(home),
    }
