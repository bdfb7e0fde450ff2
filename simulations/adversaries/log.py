"""A bureau that keeps two logs, rolls one back or hides what is in it, and the weakened departments with whom it works.

What it signs it signs with its own key: nobody else could make such a log.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from coordinator.transparency_log import places
from coordinator.transparency_log.logged import Logged
from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId
from crypto.masks import MaskContext
from crypto.transparency.checkpoint import Checkpoint, signed_checkpoint
from crypto.transparency.note import Note
from crypto.transparency.receipt import Receipt
from models.hosting.clock import Clock
from models.hosting.storage.database import Database
from models.wire.consent import Consent
from models.wire.consent_change import ConsentChange, What
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry
from models.wire.log_view import LogExtension
from models.wire.online import RelayedRequest, ScoreRequest
from models.wire.score_statement import SignedStatement, tree_of_boxes
from models.wire.steps import Purpose
from participants.department.log.view import LogView
from participants.department.score_checks import Asked
from simulations.local_log import LocalLog
from simulations.online_rehearsal import OnlineRehearsal


@dataclass(frozen=True, slots=True)
class _AsItIs:
    """A batch that is appended whatever the log has already."""

    given: Sequence[Logged]

    def entries(self, _connection: Connection) -> Sequence[bytes]:
        """All of them."""
        return [one.entry.encode() for one in self.given]

    def placed(self, connection: Connection, start: int, _note: Note) -> None:
        """Their documents, without which departments take in nothing."""
        for index, one in enumerate(self.given, start):
            if one.document is not None:
                places.keep_document(connection, index, one.entry.kind, one.document)


class DishonestLog(LocalLog):
    """A log whose bureau does with it what it likes."""

    @property
    def database(self) -> Database:
        """Where the log's documents are."""
        return self._database

    def force(self, *entries: Logged) -> int:
        """Append entries, also such as are in the log already; where the first of them is."""
        start = self.size
        self._log.append_batch(_AsItIs(entries))
        return start

    def branch(self, directory: Path, clock: Clock) -> DishonestLog:
        """Another log under the same key, in a copy of the home. It begins as this one and goes on by itself."""
        shutil.copytree(self.home.directory, directory)
        return type(self).of(directory, clock=clock)

    def relayed(
        self, request: ScoreRequest, department: ParticipantId, departments: Sequence[ParticipantId], *, start: int = 0
    ) -> RelayedRequest:
        """A request as a department of this model is given it with this log, shown from `start` on."""
        statement = SignedStatement.read(request.document).claimed
        place = statement.departments(departments).index(department)
        proven = self.place_now(request.document, statement.use_tag)
        return RelayedRequest(
            document=request.document,
            box=request.boxes[place],
            path=tree_of_boxes(request.boxes).paths[place],
            extension=self.extension(start, proven.size, proven.note),
            index=proven.index,
            inclusion=b"".join(proven.path),
        )

    def receipt_now(self, request: bytes) -> bytes:
        """The receipt of a request that is in this log, under no cosignature."""
        proven = next(one for entry, one in self._placed.items() if entry.digest == request)
        return Receipt(index=proven.index, path=proven.path, note=Note.decode(proven.note)).encode()


class DishonestRehearsal(OnlineRehearsal):
    """A small federation of one's own below `directory`: after some attacks nobody in it answers any more."""

    log: DishonestLog

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, enterprises=40)
        self.log.close()
        self.log = DishonestLog.of(self.drawn.bureau, clock=self.clock)


def without_documents(extension: LogExtension, kind: EntryKind) -> LogExtension:
    """What is shown of the log, with the documents of one kind of entry kept back."""
    public = [LogEntry.decode(data) for data in extension.entries]
    kinds = [entry.kind for entry in public if entry.kind in PUBLIC]
    left = (document for one, document in zip(kinds, extension.documents, strict=True) if one is not kind)
    return replace(extension, documents=tuple(left))


def with_another_entry(extension: LogExtension, kind: EntryKind) -> LogExtension:
    """What is shown of the log, with an answer that nobody gave in the place of the last entry of this kind."""
    kinds = [LogEntry.decode(data).kind for data in extension.entries]
    place = len(kinds) - 1 - kinds[::-1].index(kind)
    entries = list(extension.entries)
    entries[place] = LogEntry(kind=EntryKind.ANSWER, digest=bytes(32)).encode()
    public = [one for one in kinds if one in PUBLIC]
    documents = list(extension.documents)
    if kind in PUBLIC:
        del documents[len(public) - 1 - public[::-1].index(kind)]
    return replace(extension, entries=tuple(entries), documents=tuple(documents))


def believes_whatever_the_log_signs(view: LogView, _connection: Connection, extension: LogExtension) -> Checkpoint:
    """The weakened department: it takes the log's signature for the log, and remembers nothing of it."""
    return signed_checkpoint(Note.decode(extension.checkpoint), view.trusted().log_keys)


def reads_what_documents_there_are(
    entries: Sequence[bytes], documents: Sequence[bytes]
) -> list[tuple[LogEntry, bytes]]:
    """The weakened department: a document that is not shown is none that it need heed."""
    rest, read = list(documents), []
    for data in entries:
        entry = LogEntry.decode(data)
        document = b""
        if entry.kind in PUBLIC and rest and _is_of(entry, rest[0]):
            document = rest.pop(0)
        if document or entry.kind not in PUBLIC:
            read.append((entry, document))
        else:
            read.append((LogEntry(kind=EntryKind.ANSWER, digest=entry.digest), b""))
    return read


def _is_of(entry: LogEntry, document: bytes) -> bool:
    try:
        return Logged.of(entry.kind, document).entry == entry
    except MalformedMessage:
        return False


def context_without_the_log(asked: Asked, purpose: Purpose) -> MaskContext:
    """The weakened department: its masks are for the request and the consent, whatever log it was shown."""
    parts = (asked.bank, asked.statement.request_id, asked.digest.hex(), asked.question.consent.hex())
    return asked.model.run.mask_context(asked.turn, purpose, "/".join(parts), asked.departments)


def after_whatever_came_last(
    honest: Callable[..., object],
) -> Callable[[Consent, Sequence[ConsentChange]], object]:
    """The weakened state of a consent: a resumption ends every pause before it in the log, whenever it was signed."""

    def after(consent: Consent, changes: Sequence[ConsentChange]) -> object:
        last = max((place for place, one in enumerate(changes) if one.what is What.RESUME), default=-1)
        return honest(consent, changes[last + 1 :])

    return after
