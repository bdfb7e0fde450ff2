"""What the bureau asks of a department as a witness and keeper of consents, and nobody else does."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from crypto.errors import MalformedMessage, PeerError
from crypto.identifiers import ParticipantId
from crypto.labels import Label
from crypto.sealed import seal
from crypto.transparency.cosignature import cosigned_at
from crypto.transparency.errors import NotConsistent
from crypto.transparency.note import KeyUse, Note, NoteKey, NoteSignature
from models.hosting.errors import RequestRefused
from models.hosting.https.problems import problem_of
from models.hosting.storage.database import Database
from models.log.names import witness_name
from models.wire.deposit import Kept, SealedConsent, consent_context
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.log_view import LogExtension, WitnessReply, WitnessRequest
from participants.department.errors import LogStopped
from participants.department.evidence import Evidence
from participants.department.log_service import CONSENTS_PATH, WITNESS_PATH, LogService
from simulations.enterprise.drawn_consent import CREATED, drawn_consent
from simulations.enterprise.signatory import Signatory
from simulations.local_log import PAGES
from simulations.online_rehearsal import SetClock
from simulations.shown_log import DEPARTMENTS, ME, ShownLog
from simulations.witnessed_log import BUREAU, SEEN_AT

BANK = ParticipantId("bank")


class Desk:
    def __init__(self, directory: Path, database: Database) -> None:
        self.clock = SetClock(SEEN_AT)
        self.log, self.database = ShownLog(directory, self.clock), database
        self.log.answer()
        self.evidence = Evidence.of(self.log.home, database, bureau=BUREAU, relying_party=PAGES)
        self.service = LogService(self.evidence, database, me=ME, bureau=BUREAU, clock=self.clock)

    def see(self, extension: LogExtension | None = None, attested: bytes = b"") -> WitnessReply:
        return self.service.see(WitnessRequest(extension=extension or self.log.extension(), attested=attested))

    def cosigned(self, reply: WitnessReply) -> int | None:
        """When the log as it is was cosigned, if that is what the reply says."""
        key = NoteKey(witness_name(ME), KeyUse.COSIGNATURE, self.log.home.identity().public.signing_key)
        return cosigned_at(Note(self.log.note(()).text, (NoteSignature(key.name, key.key_id, reply.cosignature),)), key)


@pytest.fixture
def desk(tmp_path: Path, department_database: Database) -> Desk:
    return Desk(tmp_path / "home", department_database)


def test_the_newest_state_is_cosigned_and_again_with_a_later_time(desk: Desk) -> None:
    first = desk.see()
    assert (first.size, desk.cosigned(first)) == (1, SEEN_AT)
    desk.clock.seconds += 7
    assert desk.cosigned(desk.see()) == SEEN_AT + 7


def test_what_is_asked_from_too_far_on_is_told_where_to_begin_and_an_old_state_is_not_cosigned(desk: Desk) -> None:
    old = desk.log.extension()
    desk.see()
    for number in range(3):
        desk.log.answer(number)
    assert desk.see(desk.log.extension(3)) == WitnessReply(size=1, cosignature=b"")
    assert desk.see().size == 4
    assert desk.see(old) == WitnessReply(size=4, cosignature=b"")


def test_a_log_that_does_not_go_on_is_not_cosigned_and_a_fork_stops_witnessing(desk: Desk) -> None:
    desk.see()
    good = desk.log.extension()
    desk.log.entries[0] = LogEntry(kind=EntryKind.CONSENT, digest=b"c" * 32)
    with pytest.raises(NotConsistent):
        desk.see()
    for extension in (good, desk.log.extension()):
        with pytest.raises(LogStopped):
            desk.see(extension)
    with desk.database.reading() as connection, pytest.raises(LogStopped):
        desk.evidence.require_usable(connection)


def test_attested_clocks_are_compared_before_anything_else_and_what_is_none_is_left_aside(desk: Desk) -> None:
    desk.see()
    attested = desk.log.cosigned()
    for shown in (b"no note", attested.replace(b"yurong.log", b"fraud.log1"), attested[:-9] + b"AAAAAAA=\n"):
        assert desk.see(attested=shown).size == 1
    desk.log.answer(9)
    with desk.database.reading() as connection:
        desk.evidence.require_usable(connection)
    assert desk.see(attested=attested).size == 2
    with desk.database.reading() as connection:
        desk.evidence.require_usable(connection)


def test_a_consent_that_was_sealed_to_this_department_is_kept_and_none_else(desk: Desk) -> None:
    person, registrar = Signatory.create(drawn_consent().enterprise_id, PAGES), DEPARTMENTS[0]
    person.binding(desk.log.identities[registrar], registrar, at=CREATED - 60)
    bundle = person.consent(BANK, DEPARTMENTS, created_at=CREATED)
    box = seal(
        desk.log.home.identity().public,
        bundle.encode(),
        label=Label.SEALED_CONSENT,
        context=consent_context(BANK, ME),
    )
    good = SealedConsent(bank=BANK, box=box)

    async def scenario() -> None:
        assert Kept.decode(await desk.service.consent(BUREAU, good.encode())) == Kept()
        with pytest.raises(PeerError):
            await desk.service.consent(BUREAU, replace(good, bank="bank-2").encode())
        with pytest.raises(MalformedMessage):
            await desk.service.consent(BUREAU, b"nothing")

    asyncio.run(scenario())
    with desk.database.reading() as connection:
        assert desk.evidence.consents.find(connection, bundle.claimed().digest()) is not None


def test_nobody_but_the_bureau_may_ask(desk: Desk) -> None:
    request = WitnessRequest(extension=desk.log.extension(), attested=b"").encode()

    async def scenario() -> None:
        for caller in (*DEPARTMENTS, BANK, ParticipantId("bureau-2")):
            for ask in (desk.service.witness, desk.service.consent):
                with pytest.raises(RequestRefused) as fault:
                    await ask(caller, request)
                assert problem_of(fault.value).slug == "forbidden"
        assert WitnessReply.decode(await desk.service.witness(BUREAU, request)).size == 1

    asyncio.run(scenario())
    assert [one.path for one in desk.service.operations()] == [WITNESS_PATH, CONSENTS_PATH]


def test_many_that_witness_at_once_come_to_one_state(desk: Desk) -> None:
    states = []
    for number in range(16):
        desk.log.answer(number)
        states.append(desk.log.extension())
    together = threading.Barrier(4)

    def see(place: int) -> WitnessReply:
        if place < 4:
            together.wait()
        return desk.see(states[place])

    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(see, [place * 5 % 16 for place in range(16)]))
    assert max(reply.size for reply in replies) == 17
    assert desk.cosigned(desk.see()) == SEEN_AT
