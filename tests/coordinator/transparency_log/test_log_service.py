"""The log of a bureau's home: made once, begun with who is admitted, and continued through restarts and rotations."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from coordinator.database import open_database
from coordinator.errors import LogExists, LogMissing
from coordinator.home import BureauHome
from coordinator.transparency_log import places
from coordinator.transparency_log.bureau_log import create_log, open_log
from coordinator.transparency_log.service import Peers, log_of
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from crypto.succession import HandOver
from crypto.transparency.checkpoint import signed_checkpoint
from crypto.transparency.note import Note
from models.hosting.storage.database import Database
from models.hosting.trust.home import GRACE_SECONDS
from models.log.names import log_keys
from models.wire.log_entry import EntryKind
from simulations.online_rehearsal import SetClock

BUREAU, TAX = ParticipantId("bureau"), ParticipantId("tax")
NOW = 1_800_000_000


@pytest.fixture
def home(tmp_path: Path) -> BureauHome:
    made = BureauHome.create(
        tmp_path / "bureau", participant_id=BUREAU, role=Role.BUREAU, title="Bureau", clock=SetClock(NOW)
    )
    identity = Identity.generate()
    document = ParticipantDocument(
        participant_id=TAX, role=Role.DEPARTMENT, title="Tax", identity=identity.public
    ).sign(identity)
    made.pins.pin(document, fingerprint=identity.public.fingerprint())
    return made


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


def participants(database: Database) -> list[str]:
    with database.reading() as connection:
        found = places.documents(connection, {EntryKind.PARTICIPANT}).values()
    return [HandOver.split(data).verify_signed_by_itself().participant_id for data in found]


async def served(home: BureauHome, database: Database, *, until: int) -> None:
    peers = Peers(home)
    log = log_of(home, database, peers, deadline_seconds=0.1)
    async with log.serving():
        while log.sequencer.state.size < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        current = log_keys(BUREAU, [HandOver(home.document()).verify_signed_by_itself()])
        while not any(line.is_of(current[0]) for line in Note.decode(log.sequencer.state.note).signatures):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert signed_checkpoint(Note.decode(log.sequencer.state.note), current).size == until
        assert {one.path for one in log.desk.operations()} == {"/v1/consents", "/v1/consent-changes"}
    await peers.close()


def test_a_log_begins_with_the_bureau_and_whom_it_has_admitted_and_goes_on_after_a_restart(home: BureauHome) -> None:
    database = open_database(home)
    with pytest.raises(LogMissing, match="no such log"):
        run(served(home, database, until=0))
    create_log(home, database).close()
    with pytest.raises(LogExists):
        create_log(home, database)
    for _ in range(2):
        run(served(home, database, until=2))
        assert participants(database) == [BUREAU, TAX]
    database.close()


@pytest.mark.parametrize("later", [0, GRACE_SECONDS + 10], ids=["at once", "when the old keys are gone"])
def test_a_log_goes_on_under_the_bureaus_new_identity(home: BureauHome, later: int) -> None:
    database = open_database(home)
    create_log(home, database).close()
    run(served(home, database, until=2))
    home.prepare_rotation({"identity"})
    home.finish_rotation()
    after = BureauHome.open(home.directory, clock=SetClock(NOW + later))
    run(served(after, database, until=3))
    assert participants(database) == [BUREAU, TAX, BUREAU]
    assert open_log(after, database).size == 3
    database.close()


def test_an_identity_that_is_changed_while_the_log_is_served_signs_from_then_on(home: BureauHome) -> None:
    database = open_database(home)
    create_log(home, database).close()

    async def scenario() -> None:
        log = log_of(home, database, Peers(home), deadline_seconds=0.1)
        async with log.serving():
            home.prepare_rotation({"identity"})
            home.finish_rotation()
            current = log_keys(BUREAU, [HandOver(home.document()).verify_signed_by_itself()])[0]
            while not any(line.is_of(current) for line in Note.decode(log.sequencer.state.note).signatures):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            while log.sequencer.state.size < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    run(scenario())
    assert participants(database) == [BUREAU, TAX, BUREAU]
    database.close()
