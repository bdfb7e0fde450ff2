"""Entries, their documents and places, and what the outbox had: wherever a process is killed, all of it or nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.database import SCHEMA
from coordinator.transparency_log import log as log_module
from coordinator.transparency_log import outbox, places, tile_files
from coordinator.transparency_log.batch import Asked, Batch
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.tile_files import TileFiles
from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.permission import Action, Permission, Subject

IDENTITY = Identity.generate()
SIGNER = LogSigner.named("yurong.log/bureau", IDENTITY.public.signing_key, IDENTITY.sign_text)
NOW = 1_800_000_000


class Killed(BaseException):
    """The machine stops here."""


def permission() -> Logged:
    subject = Subject(action=Action.REGISTER_PASSKEYS, grantor=ParticipantId("bureau"), grantee=ParticipantId("tax"))
    return Logged.of(EntryKind.PERMISSION, Permission(subject=subject, granted=True, at=NOW).sign(IDENTITY))


PERMISSION = permission()
REQUEST = Logged(LogEntry(kind=EntryKind.REQUEST, digest=bytes(32), tag=bytes(16)), b"request")
BOTH = [PERMISSION.entry.encode(), REQUEST.entry.encode()]


class Effects:
    """Stops before or after one of the steps that reach the disk or the database."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
        self._count, self._number, self._after = 0, number, after
        for owner, name in (
            (TileFiles, "_write"),
            (tile_files, "_sync_file"),
            (tile_files, "private_file"),
            (Prepared, "run"),
        ):
            patch.setattr(owner, name, self._watched(getattr(owner, name)))

    def _watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            mine, self._count = self._count, self._count + 1
            if mine == self._number and not self._after:
                raise Killed
            result = function(*arguments, **named)
            if mine == self._number:
                raise Killed
            return result

        return watched


def facts(database: Database) -> tuple[list[Logged], dict[int, bytes], places.Place | None]:
    with database.reading() as connection:
        documents = places.documents(connection, set(EntryKind))
        return outbox.waiting(connection), documents, places.find(connection, REQUEST.entry)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_batch_that_is_stopped_anywhere_is_there_with_all_that_belongs_to_it_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    monkeypatch.setattr(log_module, "SETTLE_EVERY", 1)
    outcomes: set[int] = set()
    for number in itertools.count():
        directory = tmp_path / str(number)
        directory.mkdir()
        database = Database(f"sqlite:///{directory / 'node.sqlite'}", SCHEMA)
        database.migrate()
        log = TransparencyLog.create(directory / "log", database, SIGNER)
        with database.begin() as connection:
            outbox.put(connection, EntryKind.PERMISSION, PERMISSION.document or b"")
        done = False
        with pytest.MonkeyPatch.context() as patch:
            Effects(patch, number, after=after)
            try:
                log.append_batch(Batch([Asked((REQUEST,))], NOW))
                done = True
            except Killed:
                pass
        again = TransparencyLog(directory / "log", database, SIGNER)
        outcomes.add(again.size)
        waiting, documents, place = facts(database)
        if again.size:
            assert (again.entries(0, 9), waiting, documents) == (BOTH, [], {0: PERMISSION.document, 1: b"request"})
            assert place is not None
            assert (place.index, place.size) == (1, 2)
        else:
            assert (done, documents, place) == (False, {}, None)
            assert waiting == [PERMISSION]
            again.append_batch(Batch([Asked((REQUEST,))], NOW))
        # Who was not told asks again, and finds it.
        again.append_batch(Batch([Asked((REQUEST,))], NOW))
        assert again.entries(0, 9) == BOTH
        database.close()
        if done:
            break
    assert outcomes == {0, 2}


def test_a_public_entry_comes_with_its_own_document_or_not_at_all(tmp_path: Path) -> None:
    for document in (None, b"", REQUEST.document, (PERMISSION.document or b"")[:-2] + b"0\n"):
        with pytest.raises(MalformedMessage):
            Logged(PERMISSION.entry, document)
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}", SCHEMA)
    database.migrate()
    with pytest.raises(MalformedMessage), database.begin() as connection:
        outbox.put(connection, EntryKind.PERMISSION, b"no permission")
    with database.reading() as connection:
        assert outbox.is_empty(connection)
    database.close()
