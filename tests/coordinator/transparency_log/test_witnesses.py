"""A majority of departments stands for the log; none that is down, slow, wrong or behind holds it up or gets in."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from coordinator.database.tables import log_head, log_pending, log_staged
from coordinator.errors import LogDamaged, LogNotWitnessed
from coordinator.transparency_log import sequencer as sequencer_module
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.sequencer import Sequencer
from coordinator.transparency_log.witnesses import CHECKPOINT_FILE
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.cosignature import require_quorum
from crypto.transparency.frontier import Frontier
from crypto.transparency.note import Note
from crypto.transparency.receipt import Receipt, TrustedLog
from models.log.names import witness_keys
from models.wire.log_entry import EntryKind, LogEntry
from simulations.log_rehearsal import DEPARTMENTS, LogRehearsal

NAMES = DEPARTMENTS


@pytest.fixture
def bureau(tmp_path: Path) -> LogRehearsal:
    return LogRehearsal(tmp_path)


def cosigners(bureau: LogRehearsal, note: Note | None) -> set[str]:
    assert note is not None
    return {name.split("/")[1] for name in require_quorum(note, witness_keys(bureau.pinned), 1)}


def entry(number: int) -> Logged:
    return Logged(LogEntry(kind=EntryKind.CONSENT, digest=number.to_bytes(32, "big")))


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


async def until(found: Callable[[], bool]) -> None:
    while not found():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def test_a_state_is_cosigned_by_a_majority_and_in_time_by_all(bureau: LogRehearsal) -> None:
    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            for number in range(5):
                placed = await sequencer.append([entry(number)])
                attested = await witnesses.cosign(placed.size)
                assert attested.size == placed.size
                assert len(cosigners(bureau, attested.note)) >= 3
            await until(lambda: cosigners(bureau, witnesses.with_cosignatures(placed.note)) == set(NAMES))
            cosigned = witnesses.with_cosignatures(placed.note)
            assert witnesses.with_cosignatures(cosigned.encode()) == cosigned
            assert [witnesses.known_size(name) for name in NAMES] == [5] * 5
            # Each was shown each entry once.
            assert all(sum(count for _, count in one.shown) == 5 for one in bureau.departments.values())

    run(scenario())


def test_an_entry_has_a_receipt_under_the_cosignatures_of_a_majority(bureau: LogRehearsal) -> None:
    trusted = TrustedLog(log_keys=(bureau.signer.key,), witnesses=witness_keys(bureau.pinned), quorum=3)
    request = Logged(LogEntry(kind=EntryKind.REQUEST, digest=bytes([7]) * 32, tag=bytes([9]) * 16))

    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            await sequencer.append([entry(0), request, entry(1)])
            place = await sequencer.place_of_request(request.entry.digest)
            assert place is not None
            receipt = Receipt.decode(await witnesses.receipt(place.index, place.size))
            assert (receipt.index, receipt.verify(request.entry.encode(), trusted).size) == (1, 3)
            for unknown in (bytes([7]) * 31 + b"\x08", bytes([7]) * 31 + b"\x06"):
                assert await sequencer.place_of_request(unknown) is None

    run(scenario())


def test_many_that_wait_at_once_are_served_by_few_rounds(bureau: LogRehearsal) -> None:
    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):

            async def one(number: int) -> None:
                placed = await sequencer.append([entry(number)])
                assert (await witnesses.cosign(placed.size)).size >= placed.size

            await asyncio.gather(*map(one, range(200)))
            assert max(len(one.shown) for one in bureau.departments.values()) < 20

    run(scenario())


@pytest.mark.parametrize("fault", ["is down", "hangs", "refuses", "babbles", "lies", "is ahead", "is stuck"])
def test_who_is_in_a_minority_holds_nobody_up_and_is_named(
    bureau: LogRehearsal, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            bureau.fail(fault, NAMES[0], NAMES[4])
            for number in range(3):
                placed = await sequencer.append([entry(number)])
                attested = await witnesses.cosign(placed.size)
                assert cosigners(bureau, attested.note) == set(NAMES[1:4])
            bureau.fail("", *NAMES)
            placed = await sequencer.append([entry(10)])
            await witnesses.cosign(placed.size)
            await until(lambda: len(cosigners(bureau, witnesses.with_cosignatures(placed.note))) == 5)

    with caplog.at_level(logging.WARNING, logger="yurong.log"):
        run(scenario())
    named = [record.participant for record in caplog.records if "witness" in record.message]  # type: ignore[attr-defined]
    assert sorted(named) == ([] if fault == "hangs" else [NAMES[0], NAMES[4]])


def test_what_nobody_thought_of_ends_nothing(bureau: LogRehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with bureau.running(attest_seconds=0.02) as (sequencer, witnesses):
            with monkeypatch.context() as patch:
                patch.setattr(Sequencer, "extension", fails)
                await sequencer.append([entry(0)])
                await asyncio.sleep(0.1)
                assert witnesses.attested.size == 0
            await until(lambda: witnesses.attested.size == 1)

    def fails(*_: object) -> None:
        raise OSError("the disk is gone")

    run(scenario())


@pytest.mark.parametrize("fault", ["is down", "hangs", "lies"])
def test_without_a_majority_it_is_said_in_time_and_goes_on_when_they_are_back(bureau: LogRehearsal, fault: str) -> None:
    bureau.fail(fault, *NAMES[:3])

    async def scenario() -> None:
        async with bureau.running(deadline_seconds=0.2) as (sequencer, witnesses):
            placed = await sequencer.append([entry(0)])
            with pytest.raises(LogNotWitnessed):
                await witnesses.cosign(placed.size)
            bureau.fail("", *NAMES)
            assert (await witnesses.cosign(placed.size)).size == 1

    run(scenario())


def test_nobody_stands_for_a_log_that_has_no_witnesses(bureau: LogRehearsal) -> None:
    bureau.pinned = {}

    async def scenario() -> None:
        async with bureau.running(deadline_seconds=0.1) as (sequencer, witnesses):
            placed = await sequencer.append([entry(0)])
            with pytest.raises(LogNotWitnessed):
                await witnesses.cosign(placed.size)

    run(scenario())


def test_who_is_far_behind_is_shown_the_log_in_several_parts(
    bureau: LogRehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer_module, "MAXIMUM_ENTRIES", 100)

    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            placed = await sequencer.append([entry(number) for number in range(950)])
            attested = await witnesses.cosign(placed.size)
            assert (attested.size, len(cosigners(bureau, attested.note)) >= 3) == (950, True)
        one = bureau.departments[NAMES[2]]
        assert one.seen.size == 950
        # Nothing is known of it after a restart: it says itself where to begin.
        one.shown.clear()
        one.seen = Frontier()
        async with bureau.running() as (sequencer, witnesses):
            await until(lambda: one.seen.size == 950)
            assert one.shown == [(950, 0), *((start, min(100, 950 - start)) for start in range(0, 950, 100))]
            assert witnesses.known_size(one.name) == 950

    run(scenario())


def test_who_was_restored_from_a_backup_is_shown_again_what_it_has_lost(bureau: LogRehearsal) -> None:
    one = bureau.departments[NAMES[0]]

    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            placed = await sequencer.append([entry(number) for number in range(9)])
            await witnesses.cosign(placed.size)
            await until(lambda: one.seen.size == 9)
            one.seen = Frontier()
            witnesses.behind(one.name)
            await until(lambda: one.seen.size == 9)
            assert witnesses.known_size(one.name) == placed.size

    run(scenario())


def test_what_an_answer_to_a_score_request_cosigns_counts(bureau: LogRehearsal) -> None:
    bureau.fail("is down", *NAMES)

    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            placed = await sequencer.append([entry(0)])
            note = Note.decode(placed.note)
            for name in NAMES[:3]:
                department = bureau.departments[name]
                line = department.cosignature(note)
                witnesses.cosigned(name, placed.note, b"\0" * 72)
                assert witnesses.attested.size == 0
                witnesses.cosigned(name, placed.note, line)
            assert cosigners(bureau, witnesses.attested.note) == set(NAMES[:3])
            assert (await witnesses.cosign(1)).size == 1

    run(scenario())


def test_the_newest_state_is_cosigned_by_itself_and_written_where_others_read_the_log(bureau: LogRehearsal) -> None:
    path = bureau.directory / CHECKPOINT_FILE

    def written() -> int:
        return Checkpoint.decode(Note.decode(path.read_bytes()).text).size if path.exists() else 0

    async def scenario() -> None:
        async with bureau.running(attest_seconds=0.02) as (sequencer, _):
            sequencer.append_later([entry(0)])
            await until(lambda: written() == 1)
            sequencer.append_later([entry(1)])
            await until(lambda: written() == 2)
            # Departments are shown what the majority has cosigned.
            sequencer.append_later([entry(2)])
            await until(lambda: written() == 3)
            shown = bureau.departments[NAMES[0]].attested
            assert len(cosigners(bureau, Note.decode(shown))) >= 3
        async with bureau.running() as (_, witnesses):
            assert witnesses.attested.size == 3

    run(scenario())


def test_a_quiet_log_is_cosigned_again_from_time_to_time(bureau: LogRehearsal) -> None:
    async def scenario() -> None:
        async with bureau.running(attest_seconds=0.01, idle_seconds=0.02):
            await until(lambda: all(len(one.shown) > 3 for one in bureau.departments.values()))

    run(scenario())


def test_a_bureau_that_was_restored_from_a_backup_appends_nothing_that_would_fork_the_log(bureau: LogRehearsal) -> None:
    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            placed = await sequencer.append([entry(0)])
            await witnesses.cosign(1)
        shutil.copytree(bureau.directory, bureau.directory.with_name("copy"))
        async with bureau.running() as (sequencer, witnesses):
            await sequencer.append([entry(1)])
            await witnesses.cosign(2)
        shutil.rmtree(bureau.directory)
        bureau.directory.with_name("copy").rename(bureau.directory)
        with bureau.database.begin() as connection:
            connection.execute(update(log_head).values(size=placed.size, checkpoint=placed.note))
            connection.execute(insert(log_pending).values(entry=entry(7).entry.encode(), document=b""))
        with pytest.raises(LogDamaged, match="has seen 2 entries of the log, and it has 1"):
            async with bureau.running():
                pass
        with bureau.database.reading() as connection:
            assert connection.execute(select(log_head.c.size)).scalar_one() == 1

    run(scenario())


def test_a_database_that_was_rolled_back_behind_what_was_cosigned_is_not_served(bureau: LogRehearsal) -> None:
    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            placed = await sequencer.append([entry(0)])
            await sequencer.append([entry(1)])
            await witnesses.cosign(2)
        assert (bureau.directory / CHECKPOINT_FILE).exists()
        with bureau.database.begin() as connection:
            connection.execute(update(log_head).values(size=placed.size, checkpoint=placed.note))
            connection.execute(delete(log_staged))
        (bureau.directory / "settled").write_text("1")
        with pytest.raises(LogDamaged, match="cosigned"):
            async with bureau.running():
                pass

    run(scenario())
