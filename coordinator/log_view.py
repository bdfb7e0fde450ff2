"""What the bureau's operator is shown of the log, and the keys that it is verified with. Nothing is written."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from sqlalchemy import func, select

from coordinator.database import open_database
from coordinator.database.tables import log_documents, log_head, log_pending
from coordinator.errors import LogMissing
from coordinator.home import BureauHome
from coordinator.overview import day
from coordinator.transparency_log.bureau_log import log_directory
from coordinator.transparency_log.witnesses import CHECKPOINT_FILE
from crypto.errors import PeerError
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.cosignature import times_of_cosigning
from crypto.transparency.note import Note
from crypto.transparency.receipt import TrustedLog
from models.hosting.https.door import own_documents
from models.log.names import Documents, origin_of, trusted_log, witness_keys


def log_facts(home: BureauHome) -> dict[str, Any]:
    """The log in a few lines; raises `LogMissing` if there is none."""
    with closing(open_database(home)) as database, database.reading() as connection:
        origin = origin_of(home.participant_id)
        size = connection.execute(select(log_head.c.size).where(log_head.c.origin == origin)).scalar()
        documents = connection.execute(select(func.count()).select_from(log_documents)).scalar_one()
        waiting = connection.execute(select(func.count()).select_from(log_pending)).scalar_one()
    if size is None:
        raise LogMissing("the database has no such log", advice="yurong bureau log create")
    return {"log": origin, "entries": size, "waiting": waiting, "documents": documents} | _witnessed(home)


def bureau_trust(home: BureauHome) -> TrustedLog:
    """What whoever trusts this bureau and those that it has admitted believes of its log."""
    return trusted_log(home.participant_id, _everybody(home))


def _witnessed(home: BureauHome) -> dict[str, Any]:
    try:
        note = Note.decode((log_directory(home) / CHECKPOINT_FILE).read_bytes())
        size = Checkpoint.decode(note.text).size
        times = times_of_cosigning(note, witness_keys(_everybody(home)))
    except (FileNotFoundError, PeerError):
        return {"cosigned_entries": 0, "witnesses": [], "cosigned": None}
    witnesses = [name.partition("/")[2] for name in sorted(times)]
    return {"cosigned_entries": size, "witnesses": witnesses, "cosigned": day(max(times.values(), default=None))}


def _everybody(home: BureauHome) -> Documents:
    return {**home.pins.documents(), home.participant_id: own_documents(home)}
