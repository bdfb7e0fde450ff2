"""A department's clock is held against the times that other witnesses have signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from crypto.errors import SignatureInvalid
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from crypto.transparency.cosignature import cosign
from crypto.transparency.note import KeyUse, Note, NoteKey
from models.consent.states import CLOCK_TOLERANCE_SECONDS
from models.hosting.storage.database import Database
from models.log.names import witness_name
from participants.department.errors import ClockDisputed
from participants.department.log.alarms import AlarmKind, alarms
from participants.department.log.clocks import clock_ahead, compare_clocks, require_clock
from participants.department.log.view import LogView
from simulations.online_rehearsal import SetClock
from simulations.shown_log import DEPARTMENTS, ME, ShownLog
from simulations.witnessed_log import BUREAU, SEEN_AT

OTHERS = tuple(name for name in DEPARTMENTS if name != ME)
LIMIT = CLOCK_TOLERANCE_SECONDS


class Compared:
    def __init__(self, directory: Path, database: Database) -> None:
        self.log, self.database = ShownLog(directory, SetClock()), database
        self.log.answer()
        self.view = LogView(self.log.home, database, BUREAU)
        self.view.take_in(self.log.extension())

    def note(self, times: dict[ParticipantId, int]) -> Note:
        """The log under cosignatures of these times, in seconds after a fixed one."""
        note = self.log.note(())
        lines = []
        for name, seconds in times.items():
            identity = self.log.identities[name]
            key = NoteKey(witness_name(name), KeyUse.COSIGNATURE, identity.public.signing_key)
            lines.append(cosign(note.text, key, identity.sign_text, at=SEEN_AT + seconds))
        return note.with_signatures(lines)

    def compare(self, own: int | None, *others: int) -> int | None:
        times = dict(zip(OTHERS, others, strict=False)) | ({} if own is None else {ME: own})
        return self.compare_note(self.note(times))

    def compare_note(self, note: Note) -> int | None:
        log, origin = self.view.trusted(), self.view.origin
        return compare_clocks(self.database, note, log, ME, origin=origin, now=SEEN_AT)

    def is_disputed(self) -> bool:
        with self.database.reading() as connection:
            try:
                require_clock(connection, self.view.origin)
            except ClockDisputed:
                return True
        return False

    def open_alarms(self) -> int:
        with self.database.reading() as connection:
            return sum(one.kind is AlarmKind.CLOCK and one.settled_at is None for one in alarms(connection))

    def ahead(self) -> int | None:
        with self.database.reading() as connection:
            return clock_ahead(connection, self.view.origin)


@pytest.fixture
def compared(tmp_path: Path, department_database: Database) -> Compared:
    return Compared(tmp_path / "home", department_database)


def test_a_clock_that_was_never_compared_is_not_disputed(compared: Compared) -> None:
    assert (compared.ahead(), compared.is_disputed()) == (None, False)


@pytest.mark.parametrize("sign", [1, -1], ids=["ahead", "behind"])
def test_a_clock_is_disputed_beyond_five_minutes_and_until_a_later_word(compared: Compared, sign: int) -> None:
    for seconds, disputed in ((0, False), (LIMIT, False), (LIMIT + 1, True), (7200, True), (LIMIT, False)):
        assert compared.compare(sign * seconds, 0, 1, -1) == sign * seconds
        assert (compared.ahead(), compared.is_disputed()) == (sign * seconds, disputed)
        assert compared.open_alarms() == disputed


def test_it_is_held_against_the_one_in_the_middle_or_the_nearer_of_two(compared: Compared) -> None:
    assert compared.compare(0, 7200, 5, -7200) == -5
    assert compared.compare(0, 7200, 5) == -5
    assert compared.compare(0, -7200, 5) == -5
    assert compared.compare(0, 7200, 7300) == -7200


def test_a_note_that_does_not_tell_changes_nothing(compared: Compared) -> None:
    compared.compare(LIMIT + 1, 0, 0, 0)
    for own, others in ((None, (0, 0, 0)), (0, (0,)), (0, ())):
        assert compared.compare(own, *others) is None
        assert compared.is_disputed()
    assert compared.open_alarms() == 1


def test_a_note_of_another_log_or_with_a_cosignature_that_nobody_gave_is_refused(compared: Compared) -> None:
    good = compared.note({ME: 7200, OTHERS[0]: 0, OTHERS[1]: 0})
    other = Identity.generate()
    key = NoteKey(witness_name(OTHERS[2]), KeyUse.COSIGNATURE, compared.log.identities[OTHERS[2]].public.signing_key)
    with pytest.raises(SignatureInvalid):
        compared.compare_note(good.with_signatures([cosign(good.text, key, other.sign_text, at=SEEN_AT)]))
    with pytest.raises(SignatureInvalid):
        compared.compare_note(Note(good.text.replace(b"yurong", b"fraud"), good.signatures))
    assert compared.ahead() is None


def test_a_time_that_is_none_is_no_fault_of_the_database(compared: Compared) -> None:
    assert compared.compare((1 << 62) - SEEN_AT, 0, 0, 0) == (1 << 31) - 1
    assert compared.is_disputed()
