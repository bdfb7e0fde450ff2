"""The log of a bureau's home: where it is, by which key it is signed, and what it begins with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from coordinator.home import BureauHome
from coordinator.transparency_log import outbox, places
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from crypto.identifiers import Role
from crypto.identity import ParticipantDocument
from crypto.succession import HandOver
from models.hosting.https.door import own_documents
from models.hosting.storage.database import Database
from models.log.names import log_keys, origin_of
from models.wire.log_entry import EntryKind

LOG_FOLDER: Final = "log"


def log_directory(home: BureauHome) -> Path:
    """Where its files are."""
    return home.directory / LOG_FOLDER


def log_signer(home: BureauHome, earlier: Sequence[ParticipantDocument] = ()) -> LogSigner:
    """What signs it: the bureau's identity in use. `earlier`: its documents of identities that may have signed it."""
    identity = home.identity()
    return LogSigner.named(
        origin_of(home.participant_id),
        identity.public.signing_key,
        identity.sign_text,
        earlier=log_keys(home.participant_id, earlier),
    )


def open_log(home: BureauHome, database: Database) -> TransparencyLog:
    """The log as it is; raises `LogMissing` and `LogDamaged`."""
    # The identity that signed the head may be gone from the home. Its document is in the log.
    with database.reading() as connection:
        logged = places.documents(connection, {EntryKind.PARTICIPANT}).values()
    known = (HandOver.split(data).verify_signed_by_itself() for data in logged)
    earlier = [one for one in known if (one.participant_id, one.role) == (home.participant_id, Role.BUREAU)]
    return TransparencyLog(log_directory(home), database, log_signer(home, [*earlier, *own_documents(home)]))


def create_log(home: BureauHome, database: Database) -> TransparencyLog:
    """Make the log, with the documents of the bureau and of all that are admitted waiting to be its first entries.

    Raises `LogExists` if there is one.
    """
    log = TransparencyLog.create(log_directory(home), database, log_signer(home))
    documents = [home.document(), *home.pins.newest_documents().values()]
    with database.begin() as connection:
        for document in documents:
            outbox.put(connection, EntryKind.PARTICIPANT, document)
    return log
