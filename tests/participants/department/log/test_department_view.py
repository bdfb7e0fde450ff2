"""What a department takes in of the log: each extension whole or not at all, and nothing that is none."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from crypto.errors import MalformedMessage, PeerError, SignatureInvalid, UntrustedKey
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.errors import LogForked, NotConsistent, OtherStateSeen, TooFewWitnesses
from crypto.transparency.frontier import EMPTY_ROOT
from crypto.transparency.note import Note, NoteSignature
from models.hosting.storage.database import Database
from models.log.names import witness_name
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.permission import Action, Permission, Subject
from participants.department.database.tables import log_digests, log_notices, log_roots
from participants.department.errors import LogStopped
from participants.department.log import view as view_module
from participants.department.log.alarms import AlarmKind, alarms, settle
from participants.department.log.entries import position_of
from participants.department.log.view import LogView, root_at, seen_state
from simulations.online_rehearsal import SetClock
from simulations.shown_log import DEPARTMENTS, ME, ShownLog
from simulations.witnessed_log import BUREAU

CONSENT = LogEntry(kind=EntryKind.CONSENT, digest=b"c" * 32)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def log(tmp_path: Path, clock: SetClock) -> ShownLog:
    shown = ShownLog(tmp_path / "home", clock)
    for number in range(3):
        shown.answer(number)
    return shown


@pytest.fixture
def view(log: ShownLog, department_database: Database) -> LogView:
    return LogView(log.home, department_database, BUREAU)


def size_seen(view: LogView) -> int:
    with view._database.reading() as connection:
        return seen_state(connection, view.origin).size


def alarms_of(view: LogView) -> list[AlarmKind]:
    with view._database.reading() as connection:
        return [alarm.kind for alarm in alarms(connection)]


def test_what_is_shown_is_taken_in_and_may_overlap_what_was_seen(view: LogView, log: ShownLog) -> None:
    assert size_seen(view) == 0
    first = log.extension()
    assert view.take_in(first).size == 3
    log.append(CONSENT)
    log.answer(9)
    for start in (3, 0, 2):
        assert view.take_in(log.extension(start)).size == 5
    with view._database.reading() as connection:
        assert position_of(connection, CONSENT.digest) == 3
        assert root_at(connection, 0) == EMPTY_ROOT
    # A state that was seen before is one of the log's still, with its entries or without.
    assert view.take_in(first).size == 3
    assert view.take_in(replace(first, start=3, entries=())).size == 3
    assert size_seen(view) == 5


def test_entries_that_are_left_out_are_asked_for_and_nothing_of_the_rest_is_taken_in(
    view: LogView, log: ShownLog
) -> None:
    view.take_in(log.extension())
    log.append(CONSENT)
    log.answer(9)
    with pytest.raises(OtherStateSeen) as fault:
        view.take_in(log.extension(4))
    assert fault.value.size == 3
    assert size_seen(view) == 3


def test_what_bears_not_the_logs_signature_is_refused_without_an_alarm(view: LogView, log: ShownLog) -> None:
    shown = log.extension()
    note = Note.decode(shown.checkpoint)
    other = Identity.generate()
    forged = Note(
        note.text, (NoteSignature(note.signatures[0].name, note.signatures[0].key_id, other.sign_text(b"x")),)
    )
    with pytest.raises(SignatureInvalid):
        view.take_in(replace(shown, checkpoint=forged.encode()))
    stranger = Note(note.text, log.note((DEPARTMENTS[0],)).signatures[1:])
    with pytest.raises(SignatureInvalid):
        view.take_in(replace(shown, checkpoint=stranger.encode()))
    with pytest.raises(MalformedMessage):
        view.take_in(replace(shown, checkpoint=b"no note"))
    assert (size_seen(view), alarms_of(view)) == (0, [])


def test_entries_that_are_too_few_too_many_or_none_are_refused_without_an_alarm(view: LogView, log: ShownLog) -> None:
    shown = log.extension()
    for entries in (shown.entries[:-1], (*shown.entries, CONSENT.encode()), (*shown.entries[:-1], b"\xff" * 33)):
        with pytest.raises(MalformedMessage):
            view.take_in(replace(shown, entries=entries))
    assert (size_seen(view), alarms_of(view)) == (0, [])


def test_a_state_that_does_not_go_on_is_refused_with_an_alarm_once_and_stops_nothing(
    view: LogView, log: ShownLog
) -> None:
    view.take_in(log.extension())
    log.answer(9)
    shown = log.extension()
    other = replace(shown, entries=(*shown.entries[:-1], CONSENT.encode()))
    for _ in range(2):
        with pytest.raises(NotConsistent):
            view.take_in(other)
    assert alarms_of(view) == [AlarmKind.NOT_EXTENDED]
    with view._database.reading() as connection:
        assert position_of(connection, CONSENT.digest) is None
    assert view.take_in(shown).size == 4


@pytest.mark.parametrize("longer", [False, True], ids=["of the size that was seen", "of an earlier size"])
def test_another_state_of_a_size_that_was_seen_stops_everything_until_it_is_settled(
    view: LogView, log: ShownLog, longer: bool
) -> None:
    seen = log.extension()
    log.entries[-1] = CONSENT
    fork = log.extension()
    log.entries[-1] = LogEntry.decode(seen.entries[-1])
    if longer:
        log.answer(9)
    view.take_in(log.extension())
    with pytest.raises(LogForked):
        view.take_in(fork)
    with view._database.reading() as connection:
        (alarm,) = alarms(connection)
    assert (alarm.kind, alarm.shown) == (AlarmKind.FORKED, fork.checkpoint)
    assert Note.decode(alarm.seen).text == log.note(()).text
    for shown in (seen, fork, log.extension()):
        with pytest.raises(LogStopped):
            view.take_in(shown)
    with view._database.begin() as connection:
        assert settle(connection, alarm.alarm_id, now=1)
    assert view.take_in(log.extension()).size == len(log.entries)


def test_only_the_newest_roots_are_kept_and_older_states_are_refused_without_an_alarm(
    view: LogView, log: ShownLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "ROOTS_KEPT", 4)
    monkeypatch.setattr(view_module, "_FORGET_EVERY", 2)
    early = log.extension()
    view.take_in(early)
    for number in range(10):
        log.answer(number)
        view.take_in(log.extension(len(log.entries) - 1))
    with view._database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(log_roots)).scalar_one() <= 6
    with pytest.raises(PeerError, match="too old"):
        view.take_in(early)
    assert alarms_of(view) == []


def test_the_largest_state_alone_is_cosigned_at_a_time_that_does_not_go_back(
    view: LogView, log: ShownLog, clock: SetClock
) -> None:
    def cosigned(checkpoint: Checkpoint) -> bytes:
        with view._database.reading() as connection:
            return view.cosign(checkpoint, connection)

    first = view.take_in(log.extension())
    early = cosigned(first)
    assert int.from_bytes(early[:8], "big") == int(clock.seconds)
    clock.seconds += 100
    log.answer(9)
    second = view.take_in(log.extension())
    assert cosigned(first) == b""
    clock.seconds -= 5000
    with view._database.reading() as connection:
        assert view.now(connection) == int(clock.seconds) + 5000
    late = cosigned(second)
    assert int.from_bytes(late[:8], "big") == int(clock.seconds) + 5000
    key = next(key for key in view.trusted().witnesses if key.name == witness_name(ME))
    line = NoteSignature(key.name, key.key_id, late)
    view.require_stood_for(log.note(DEPARTMENTS[:2]).with_signatures([line]), ())


def test_a_quorum_is_of_those_asked_and_those_that_cosigned_each_once(view: LogView, log: ShownLog) -> None:
    two, stranger = DEPARTMENTS[:2], ParticipantId("nobody")
    assert view.trusted().quorum == 3
    view.require_stood_for(log.note(()), DEPARTMENTS[:3])
    view.require_stood_for(log.note(DEPARTMENTS[2:3]), two)
    view.require_stood_for(log.note(DEPARTMENTS[1:]), ())
    for note, members in ((log.note(()), (*two, *two, stranger)), (log.note(two), two), (log.note(two), (stranger,))):
        with pytest.raises(TooFewWitnesses):
            view.require_stood_for(note, members)


def test_a_bureau_that_is_no_longer_pinned_has_no_log(view: LogView, log: ShownLog) -> None:
    view.take_in(log.extension())
    log.home.pins.unpin(BUREAU)
    log.answer(9)
    with pytest.raises(UntrustedKey):
        view.take_in(log.extension())


def test_any_number_of_threads_see_the_log_at_once_in_any_order_each_entry_once(view: LogView, log: ShownLog) -> None:
    log.append(CONSENT)
    states, places = [(log.extension(), log.extension())], {}
    for number in range(40):
        digest = bytes([number]) * 32
        places[digest] = log.append(LogEntry(kind=EntryKind.PASSKEY, digest=digest, tag=bytes(16)))
        subject = Subject(action=Action.REGISTER_PASSKEYS, grantor=BUREAU, grantee=ParticipantId(f"d-{number}"))
        log.publish_document(EntryKind.PERMISSION, Permission(subject=subject, granted=True, at=1).sign(log.bureau))
        states.append((log.extension(max(0, 2 * number - 20)), log.extension()))
    together = threading.Barrier(8)

    def see(place: int) -> int:
        if place < 8:
            together.wait()
        part, whole = states[place]
        try:
            return view.take_in(part).size
        except OtherStateSeen:
            return view.take_in(whole).size

    order = [place * 7 % len(states) for place in range(len(states))]
    with ThreadPoolExecutor(8) as threads:
        sizes = list(threads.map(see, order))
    assert sizes == [4 + 2 * place for place in order]
    assert (size_seen(view), alarms_of(view)) == (len(log.entries), [])
    with view._database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(log_notices)).scalar_one() == 40
        found = {bytes(row.digest): row.position for row in connection.execute(select(log_digests))}
        assert found == {**places, CONSENT.digest: 3}
        assert connection.execute(select(func.count()).select_from(log_roots)).scalar_one() == len(log.entries)
