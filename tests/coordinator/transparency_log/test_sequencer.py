"""Whoever asks at once is written at once; what an operator changed stands before what was asked for afterwards."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from coordinator.database import SCHEMA
from coordinator.database.tables import log_documents, log_places
from coordinator.errors import LogContended, LogMissing
from coordinator.transparency_log import outbox, places
from coordinator.transparency_log import sequencer as sequencer_module
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.sequencer import Sequencer
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from crypto.merkle import MerkleTree, leaf_digest, root_of_path
from crypto.transparency.checkpoint import signed_checkpoint
from crypto.transparency.consistency import check_consistency
from crypto.transparency.note import Note
from models.hosting.errors import DatabaseUnusable
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.log_view import LogExtension
from models.wire.permission import Action, Permission, Subject
from simulations.online_rehearsal import SetClock

IDENTITY = Identity.generate()
SIGNER = LogSigner.named("yurong.log/bureau", IDENTITY.public.signing_key, IDENTITY.sign_text)
QUICK = 0.01


def request(number: int) -> Logged:
    document = f"request {number}".encode()
    digest = hashlib.sha256(document).digest()
    return Logged(LogEntry(kind=EntryKind.REQUEST, digest=digest, tag=digest[:16]), document)


def permission(number: int) -> Logged:
    subject = Subject(action=Action.REGISTER_PASSKEYS, grantor=ParticipantId("bureau"), grantee=ParticipantId("tax"))
    return Logged.of(EntryKind.PERMISSION, Permission(subject=subject, granted=True, at=number).sign(IDENTITY))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, SCHEMA)
    made.migrate()
    yield made
    made.close()


class Bureau:
    """A log, and what opens and watches it."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory, self.database = directory, database
        self.opened: list[TransparencyLog] = []
        TransparencyLog.create(directory, database, SIGNER)

    def open(self) -> TransparencyLog:
        self.opened.append(TransparencyLog(self.directory, self.database, SIGNER))
        return self.opened[-1]

    def sequencer(self, **options: Any) -> Sequencer:
        return Sequencer(self.open, self.database, **{"drain_seconds": QUICK} | options)

    def put(self, *logged: Logged) -> None:
        with self.database.begin() as connection:
            for one in logged:
                outbox.put(connection, one.entry.kind, one.document or b"")

    def entries(self) -> list[bytes]:
        return self.opened[-1].entries(0, 1 << 20)


@pytest.fixture
def bureau(tmp_path: Path, database: Database) -> Bureau:
    return Bureau(tmp_path / "log", database)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


async def until(found: Callable[[], bool]) -> None:
    while not found():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def encoded(*logged: Logged) -> list[bytes]:
    return [one.entry.encode() for one in logged]


def test_what_is_asked_for_at_once_is_written_in_few_batches_and_each_is_told_its_place(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            placed = await asyncio.gather(*(sequencer.append([request(number)]) for number in range(300)))
            assert len({one.size for one in placed}) <= 3
            entries = bureau.entries()
            for number, one in enumerate(placed):
                assert entries[one.index] == request(number).entry.encode()
                checkpoint = signed_checkpoint(Note.decode(one.note), (SIGNER.key,))
                assert checkpoint.size == one.size > one.index
                path = b"".join(sequencer.inclusion(one.index, one.size))
                leaf = leaf_digest(entries[one.index])
                assert root_of_path(leaf, one.index, one.size, path) == checkpoint.root
            assert sequencer.state.size == 300
            later = await sequencer.append([request(1000), request(1001)])
            assert (later.indices, later.index) == ((300, 301), 300)
            notes = (Note.decode(placed[0].note), Note.decode(later.note))
            before, after = (signed_checkpoint(note, (SIGNER.key,)) for note in notes)
            proof = sequencer.consistency(before.size, after.size)
            check_consistency(before.size, before.root, after.size, after.root, proof)

    run(scenario())


def test_what_a_command_put_stands_before_every_request_that_comes_after_it(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer(drain_seconds=60.0) as sequencer:
            await sequencer.append([request(0)])
            bureau.put(permission(1), permission(2))
            await sequencer.append([request(1)])
            assert bureau.entries() == encoded(request(0), permission(1), permission(2), request(1))

    run(scenario())


def test_what_a_command_put_is_appended_without_any_request(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            bureau.put(permission(1))
            await until(lambda: sequencer.state.size == 1)
            with bureau.database.reading() as connection:
                assert outbox.is_empty(connection)
                assert places.documents(connection, {EntryKind.PERMISSION}) == {0: permission(1).document}

    run(scenario())


def test_what_a_command_takes_back_is_not_appended(bureau: Bureau) -> None:
    def put_and_stop() -> None:
        with bureau.database.begin() as connection:
            outbox.put(connection, EntryKind.PERMISSION, permission(1).document or b"")
            raise KeyError

    with pytest.raises(KeyError):
        put_and_stop()

    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            await sequencer.append([request(0)])
            assert bureau.entries() == encoded(request(0))

    run(scenario())


def test_the_same_request_has_one_place_and_one_checkpoint_also_after_a_restart(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            first, second = await asyncio.gather(*(sequencer.append([request(7)]) for _ in range(2)))
            assert first == second
            await sequencer.append([request(8)])
            assert await sequencer.append([request(7)]) == first
            both = await sequencer.append([request(7), request(9)])
            assert (both.indices, both.size) == ((0, 2), 3)
        async with bureau.sequencer() as sequencer:
            assert await sequencer.append([request(7)]) == first
            assert sequencer.state.size == 3

    run(scenario())


def test_a_permission_that_is_given_again_counts_again(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            placed = [await sequencer.append([permission(number)]) for number in (1, 2, 1)]
            assert [one.index for one in placed] == [0, 1, 2]

    run(scenario())


def test_what_nobody_waits_for_is_appended_with_the_next_or_by_itself_and_before_the_end(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            sequencer.append_later([request(1)])
            await until(lambda: sequencer.state.size == 1)
            sequencer.append_later([request(2)])
        assert bureau.entries() == encoded(request(1), request(2))

    run(scenario())


def test_places_of_requests_are_forgotten_in_time_and_those_of_consents_are_not(bureau: Bureau) -> None:
    clock = SetClock(1_800_000_000)
    consent = Logged(LogEntry(kind=EntryKind.CONSENT, digest=bytes(32)))

    def known() -> list[int]:
        with bureau.database.reading() as connection:
            return sorted(connection.execute(select(log_places.c.kind)).scalars())

    async def scenario() -> None:
        async with bureau.sequencer(clock=clock) as sequencer:
            await sequencer.append([request(1), consent])
            assert known() == [EntryKind.CONSENT, EntryKind.REQUEST]
            clock.seconds += places.KEPT_SECONDS + 10
            await until(lambda: known() == [EntryKind.CONSENT])
            with bureau.database.reading() as connection:
                assert connection.execute(select(func.count()).select_from(log_documents)).scalar_one() == 1

    run(scenario())


@pytest.mark.parametrize("kept", [2, 4096], ids=["read from the disk", "from memory"])
def test_an_extension_has_the_entries_and_the_documents_of_public_ones(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr("coordinator.transparency_log.tail.KEPT", kept)
    logged = [permission(number) if number % 3 == 0 else request(number) for number in range(40)]

    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            for one in logged:
                await sequencer.append([one])
            state = sequencer.state
            for start in (0, 1, 39, 40):
                shown = sequencer.extension(start, state.size, state.note)
                assert LogExtension.decode(shown.encode()) == shown
                documents = tuple(one.document for one in logged[start:] if one.entry.kind is EntryKind.PERMISSION)
                assert (shown.start, shown.checkpoint) == (start, state.note)
                assert (list(shown.entries), shown.documents) == (encoded(*logged[start:]), documents)
            beyond = sequencer.extension(50, state.size, state.note)
            assert (beyond.start, beyond.entries) == (40, ())

    run(scenario())


@pytest.mark.parametrize("bound", ["entries", "bytes"])
def test_what_is_too_much_for_one_extension_comes_in_several_each_with_a_checkpoint_of_its_own(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    if bound == "entries":
        monkeypatch.setattr(sequencer_module, "MAXIMUM_ENTRIES", 7)
    else:
        monkeypatch.setattr(sequencer_module, "MAXIMUM_SHOWN_BYTES", 500)
    logged = [permission(number) for number in range(30)]

    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            await sequencer.append(logged)
            state, seen = sequencer.state, 0
            leaves = [leaf_digest(one) for one in encoded(*logged)]
            while seen < state.size:
                shown = sequencer.extension(seen, state.size, state.note)
                seen += len(shown.entries)
                checkpoint = signed_checkpoint(Note.decode(shown.checkpoint), (SIGNER.key,))
                assert (checkpoint.size, checkpoint.root) == (seen, MerkleTree.of(leaves[:seen]).root)
            assert shown.checkpoint == state.note

    run(scenario())


def test_an_append_of_which_it_is_not_known_how_it_ended_is_told_and_the_same_may_be_asked_again(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            await sequencer.append([request(0)])
            for after in (False, True):
                with monkeypatch.context() as patch:
                    patch.setattr(TransparencyLog, "_apply", fails if after else TransparencyLog._apply)
                    patch.setattr(Prepared, "run", Prepared.run if after else fails)
                    with pytest.raises(DatabaseUnusable):
                        await sequencer.append([request(1 + after)])
            placed = [await sequencer.append([request(number)]) for number in (1, 2)]
            assert sorted(one.index for one in placed) == [1, 2]
            assert sequencer.state.size == 3
            assert sequencer.extension(0, 3, sequencer.state.note).entries == tuple(bureau.entries())

    def fails(*_: object, **__: object) -> None:
        raise DatabaseUnusable("the disk is full")

    run(scenario())


def test_the_log_is_opened_again_after_another_process_has_appended_to_it(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            await sequencer.append([request(0)])
            bureau.open().append(encoded(permission(5)))
            with pytest.raises(LogContended):
                await sequencer.append([request(1)])
            assert (await sequencer.append([request(1)])).index == 2

    run(scenario())


def test_a_change_of_the_logs_key_is_followed_and_the_head_signed_again(bureau: Bureau) -> None:
    private, serial = Ed25519PrivateKey.generate(), [1]
    public = private.public_key().public_bytes_raw()
    new = LogSigner.named(SIGNER.key.name, public, private.sign, earlier=[SIGNER.key])

    def opened() -> TransparencyLog:
        return TransparencyLog(bureau.directory, bureau.database, SIGNER if serial == [1] else new)

    async def scenario() -> None:
        async with Sequencer(opened, bureau.database, signs_as=lambda: serial[0], drain_seconds=QUICK) as sequencer:
            await sequencer.append([request(0)])
            serial[0] = 2
            await until(lambda: any(line.is_of(new.key) for line in Note.decode(sequencer.state.note).signatures))
            assert signed_checkpoint(Note.decode(sequencer.state.note), (new.key,)).size == 1
            placed = await sequencer.append([request(1)])
            assert signed_checkpoint(Note.decode(placed.note), (new.key,)).size == 2

    run(scenario())
    alone = LogSigner.named(SIGNER.key.name, public, private.sign)
    assert TransparencyLog(bureau.directory, bureau.database, alone).size == 2


def test_there_is_no_sequencer_without_a_log(tmp_path: Path, database: Database) -> None:
    async def scenario() -> None:
        async with Sequencer(lambda: TransparencyLog(tmp_path / "log", database, SIGNER), database):
            pass

    with pytest.raises(LogMissing):
        run(scenario())
