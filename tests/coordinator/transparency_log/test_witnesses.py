"""A majority of departments stands for the log; none that is down, slow, wrong or behind holds it up or gets in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import delete, update

from coordinator.database import SCHEMA
from coordinator.database.tables import log_head, log_staged
from coordinator.errors import LogDamaged, LogNotWitnessed
from coordinator.transparency_log import sequencer as sequencer_module
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.sequencer import Sequencer
from coordinator.transparency_log.witnesses import CHECKPOINT_FILE, WITNESS_PATH, Witnesses
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import Checkpoint, signed_checkpoint
from crypto.transparency.cosignature import cosign, require_quorum
from crypto.transparency.frontier import Frontier
from crypto.transparency.note import KeyUse, Note, NoteKey
from crypto.transparency.receipt import Receipt, TrustedLog
from models.hosting.errors import PeerUnreachable, RemoteProblem
from models.hosting.https import problems
from models.hosting.https.peer import Peer
from models.hosting.https.problems import Problem
from models.hosting.storage.database import Database
from models.log.names import origin_of, witness_keys, witness_name
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.log_view import WitnessReply, WitnessRequest

BUREAU = ParticipantId("bureau")
NAMES = tuple(map(ParticipantId, ("courts", "customs", "tax", "water", "works")))
IDENTITY = Identity.generate()
SIGNER = LogSigner.named(origin_of(BUREAU), IDENTITY.public.signing_key, IDENTITY.sign_text)


class Department:
    """A witness at the other end. `fault`: what is the matter with it."""

    def __init__(self, name: ParticipantId) -> None:
        self.name, self.identity = name, Identity.generate()
        self.seen = Frontier()
        self.fault = ""
        self.asked: list[tuple[int, int]] = []
        self.attested = b""
        self.hanging = asyncio.Event()

    @property
    def document(self) -> ParticipantDocument:
        return ParticipantDocument(
            participant_id=self.name, role=Role.DEPARTMENT, title=self.name, identity=self.identity.public
        )

    async def post(self, path: str, body: bytes, *, maximum_bytes: int, timeout_seconds: float) -> bytes:
        assert path == WITNESS_PATH
        request = WitnessRequest.decode(body)
        self.asked.append((request.extension.start, len(request.extension.entries)))
        self.attested = request.attested
        if self.fault == "hangs":
            await self.hanging.wait()
        if self.fault == "is down":
            raise PeerUnreachable(self.name, "not connected", sent=False)
        if self.fault == "refuses":
            raise RemoteProblem(Problem(kind=problems.NOT_FOUND))
        if self.fault == "babbles":
            return b"no reply"
        reply = self._reply(request).encode()
        assert len(reply) <= maximum_bytes
        assert timeout_seconds > 0
        return reply

    def _reply(self, request: WitnessRequest) -> WitnessReply:
        note = Note.decode(request.extension.checkpoint)
        checkpoint = signed_checkpoint(note, (SIGNER.key,))
        if self.fault == "is ahead":
            return WitnessReply(size=1 << 30, cosignature=b"")
        if self.fault == "is stuck":
            return WitnessReply(size=0, cosignature=b"")
        if request.extension.start > self.seen.size or checkpoint.size < self.seen.size:
            return WitnessReply(size=self.seen.size, cosignature=b"")
        for entry in request.extension.entries[self.seen.size - request.extension.start :]:
            self.seen.append(leaf_digest(entry))
        assert (self.seen.size, self.seen.root()) == (checkpoint.size, checkpoint.root)
        identity = Identity.generate() if self.fault == "lies" else self.identity
        key = NoteKey(witness_name(self.name), KeyUse.COSIGNATURE, identity.public.signing_key)
        line = cosign(note.text, key, identity.sign_text, at=1_800_000_000)
        return WitnessReply(size=self.seen.size, cosignature=line.data)


class Federation:
    """A log and its witnesses."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "log"
        self.database = Database(f"sqlite:///{directory / 'node.sqlite'}", SCHEMA)
        self.database.migrate()
        self.departments = {name: Department(name) for name in NAMES}
        self.pinned = {name: (one.document,) for name, one in self.departments.items()}
        TransparencyLog.create(self.directory, self.database, SIGNER)

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[tuple[Sequencer, Witnesses]]:
        def opened() -> TransparencyLog:
            return TransparencyLog(self.directory, self.database, SIGNER)

        options = {"deadline_seconds": 2.0, "attest_seconds": 60.0} | options
        async with Sequencer(opened, self.database, drain_seconds=0.01) as sequencer:
            peer = cast("Callable[[ParticipantId], Peer]", self.departments.__getitem__)
            async with Witnesses(sequencer, peer, lambda: self.pinned, self.directory, **options) as witnesses:
                yield sequencer, witnesses

    def fail(self, fault: str, *names: ParticipantId) -> None:
        for name in names:
            self.departments[name].fault = fault

    def cosigners(self, note: Note | None, *, quorum: int = 3) -> set[str]:
        assert note is not None
        return {name.split("/")[1] for name in require_quorum(note, witness_keys(self.pinned), quorum)}


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def entry(number: int) -> Logged:
    return Logged(LogEntry(kind=EntryKind.CONSENT, digest=number.to_bytes(32, "big")))


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


async def until(found: Callable[[], bool]) -> None:
    while not found():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def test_a_state_is_cosigned_by_a_majority_and_in_time_by_all(federation: Federation) -> None:
    async def scenario() -> None:
        async with federation.running() as (sequencer, witnesses):
            for number in range(5):
                placed = await sequencer.append([entry(number)])
                attested = await witnesses.cosign(placed.size)
                assert attested.size == placed.size
                assert len(federation.cosigners(attested.note)) >= 3
            await until(lambda: federation.cosigners(witnesses.with_cosignatures(placed.note)) == set(NAMES))
            assert [witnesses.known_size(name) for name in NAMES] == [5] * 5
            # Each was shown each entry once.
            assert all(sum(count for _, count in one.asked) == 5 for one in federation.departments.values())

    run(scenario())


def test_an_entry_has_a_receipt_under_the_cosignatures_of_a_majority(federation: Federation) -> None:
    trusted = TrustedLog(log_keys=(SIGNER.key,), witnesses=witness_keys(federation.pinned), quorum=3)
    request = Logged(LogEntry(kind=EntryKind.REQUEST, digest=bytes([7]) * 32, tag=bytes([9]) * 16))

    async def scenario() -> None:
        async with federation.running() as (sequencer, witnesses):
            await sequencer.append([entry(0), request, entry(1)])
            place = await sequencer.place_of_request(request.entry.digest)
            assert place is not None
            receipt = Receipt.decode(await witnesses.receipt(place.index, place.size))
            assert (receipt.index, receipt.verify(request.entry.encode(), trusted).size) == (1, 3)
            for unknown in (bytes([7]) * 31 + b"\x08", bytes([7]) * 31 + b"\x06"):
                assert await sequencer.place_of_request(unknown) is None

    run(scenario())


def test_many_that_wait_at_once_are_served_by_few_rounds(federation: Federation) -> None:
    async def scenario() -> None:
        async with federation.running() as (sequencer, witnesses):

            async def one(number: int) -> None:
                placed = await sequencer.append([entry(number)])
                assert (await witnesses.cosign(placed.size)).size >= placed.size

            await asyncio.gather(*map(one, range(200)))
            assert max(len(one.asked) for one in federation.departments.values()) < 20

    run(scenario())


@pytest.mark.parametrize("fault", ["is down", "hangs", "refuses", "babbles", "lies", "is ahead", "is stuck"])
def test_who_is_in_a_minority_holds_nobody_up_and_is_named(
    federation: Federation, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    federation.fail(fault, NAMES[0], NAMES[4])

    async def scenario() -> None:
        async with federation.running() as (sequencer, witnesses):
            for number in range(3):
                placed = await sequencer.append([entry(number)])
                attested = await witnesses.cosign(placed.size)
                assert federation.cosigners(attested.note) == set(NAMES[1:4])
            federation.fail("", *NAMES)
            for one in federation.departments.values():
                one.hanging.set()
            placed = await sequencer.append([entry(10)])
            await witnesses.cosign(placed.size)
            await until(lambda: len(federation.cosigners(witnesses.with_cosignatures(placed.note))) == 5)

    with caplog.at_level(logging.WARNING, logger="yurong.log"):
        run(scenario())
    named = [record.participant for record in caplog.records if "witness" in record.message]  # type: ignore[attr-defined]
    assert sorted(named) == ([] if fault == "hangs" else [NAMES[0], NAMES[4]])


@pytest.mark.parametrize("fault", ["is down", "hangs", "lies"])
def test_without_a_majority_it_is_said_in_time_and_goes_on_when_they_are_back(
    federation: Federation, fault: str
) -> None:
    federation.fail(fault, *NAMES[:3])

    async def scenario() -> None:
        async with federation.running(deadline_seconds=0.2) as (sequencer, witnesses):
            placed = await sequencer.append([entry(0)])
            with pytest.raises(LogNotWitnessed):
                await witnesses.cosign(placed.size)
            federation.fail("", *NAMES)
            for one in federation.departments.values():
                one.hanging.set()
            assert (await witnesses.cosign(placed.size)).size == 1

    run(scenario())


def test_nobody_stands_for_a_log_that_has_no_witnesses(federation: Federation) -> None:
    federation.pinned = {}

    async def scenario() -> None:
        async with federation.running(deadline_seconds=0.1) as (sequencer, witnesses):
            placed = await sequencer.append([entry(0)])
            with pytest.raises(LogNotWitnessed):
                await witnesses.cosign(placed.size)

    run(scenario())


def test_who_is_far_behind_is_shown_the_log_in_several_parts(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer_module, "MAXIMUM_ENTRIES", 100)

    async def scenario() -> None:
        async with federation.running() as (sequencer, witnesses):
            placed = await sequencer.append([entry(number) for number in range(950)])
            attested = await witnesses.cosign(placed.size)
            assert (attested.size, len(federation.cosigners(attested.note)) >= 3) == (950, True)
        one = federation.departments[NAMES[2]]
        assert one.seen.size == 950
        # Nothing is known of it after a restart: it says itself where to begin.
        one.asked.clear()
        one.seen = Frontier()
        async with federation.running() as (sequencer, witnesses):
            await until(lambda: one.seen.size == 950)
            assert one.asked == [(950, 0), *((start, min(100, 950 - start)) for start in range(0, 950, 100))]
            assert witnesses.known_size(one.name) == 950

    run(scenario())


def test_who_was_restored_from_a_backup_is_shown_again_what_it_has_lost(federation: Federation) -> None:
    one = federation.departments[NAMES[0]]

    async def scenario() -> None:
        async with federation.running() as (sequencer, witnesses):
            placed = await sequencer.append([entry(number) for number in range(9)])
            await witnesses.cosign(placed.size)
            await until(lambda: one.seen.size == 9)
            one.seen = Frontier()
            witnesses.behind(one.name)
            await until(lambda: one.seen.size == 9)
            assert witnesses.known_size(one.name) == placed.size

    run(scenario())


def test_what_an_answer_to_a_score_request_cosigns_counts(federation: Federation) -> None:
    federation.fail("is down", *NAMES)

    async def scenario() -> None:
        async with federation.running() as (sequencer, witnesses):
            placed = await sequencer.append([entry(0)])
            note = Note.decode(placed.note)
            for name in NAMES[:3]:
                department = federation.departments[name]
                key = NoteKey(witness_name(name), KeyUse.COSIGNATURE, department.identity.public.signing_key)
                line = cosign(note.text, key, department.identity.sign_text, at=1_800_000_000).data
                witnesses.cosigned(name, placed.note, b"\0" * 72)
                assert witnesses.attested.size == 0
                witnesses.cosigned(name, placed.note, line)
            assert federation.cosigners(witnesses.attested.note) == set(NAMES[:3])
            assert (await witnesses.cosign(1)).size == 1

    run(scenario())


def test_the_newest_state_is_cosigned_by_itself_and_written_where_others_read_the_log(federation: Federation) -> None:
    path = federation.directory / CHECKPOINT_FILE

    def written() -> int:
        return Checkpoint.decode(Note.decode(path.read_bytes()).text).size if path.exists() else 0

    async def scenario() -> None:
        async with federation.running(attest_seconds=0.02) as (sequencer, _):
            sequencer.append_later([entry(0)])
            await until(lambda: written() == 1)
            sequencer.append_later([entry(1)])
            await until(lambda: written() == 2)
            # Departments are shown what the majority has cosigned.
            sequencer.append_later([entry(2)])
            await until(lambda: written() == 3)
            shown = federation.departments[NAMES[0]].attested
            assert len(federation.cosigners(Note.decode(shown))) >= 3
        async with federation.running() as (_, witnesses):
            assert witnesses.attested.size == 3

    run(scenario())


def test_a_quiet_log_is_cosigned_again_from_time_to_time(federation: Federation) -> None:
    async def scenario() -> None:
        async with federation.running(attest_seconds=0.01, idle_seconds=0.02):
            await until(lambda: all(len(one.asked) > 3 for one in federation.departments.values()))

    run(scenario())


def test_a_database_that_was_rolled_back_behind_what_was_cosigned_is_not_served(federation: Federation) -> None:
    async def scenario() -> None:
        async with federation.running() as (sequencer, witnesses):
            placed = await sequencer.append([entry(0)])
            await sequencer.append([entry(1)])
            await witnesses.cosign(2)
        assert (federation.directory / CHECKPOINT_FILE).exists()
        with federation.database.begin() as connection:
            connection.execute(update(log_head).values(size=placed.size, checkpoint=placed.note))
            connection.execute(delete(log_staged))
        (federation.directory / "settled").write_text("1")
        with pytest.raises(LogDamaged, match="cosigned"):
            async with federation.running():
                pass

    run(scenario())
