"""What an operator sees of this department as a witness, and does about an alarm.

    status      how much of the log was seen, whom it is held against, the clock, and every alarm
    evidence    the signed notes of an alarm, as they came: whoever has the bureau's document can verify them
    compare     a note that another department shows as evidence, against what was seen here
    settle      an operator has looked; what the alarm stopped goes on

Nothing is settled by itself but an alarm of the clock, which a later checkpoint may show to be right again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from crypto.errors import PeerError
from crypto.transparency.checkpoint import Checkpoint, signed_checkpoint
from crypto.transparency.note import Note
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared
from participants.department.errors import ClockDisputed, LogStopped, NoSuchAlarm
from participants.department.log.alarms import Alarm, AlarmKind, alarms, require_not_forked, settle
from participants.department.log.clocks import clock_ahead, require_clock
from participants.department.log.view import LogView, root_at, seen_state

_FORGET_CLOCK: Final = Prepared(
    "UPDATE log_seen SET cosigned_at = 0, clock_ahead_seconds = NULL WHERE origin = :origin"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessStatus:
    """This department as a witness. root: 32 bytes, at `size`. cosigned_at: seconds since 1970, None before the first.

    quorum: so many of `witnesses` have to stand for a state. clock_ahead_seconds: of the others', when they were
    compared last. alarms: the oldest first.
    """

    origin: str
    size: int
    root: bytes
    cosigned_at: int | None
    quorum: int
    witnesses: int
    clock_ahead_seconds: int | None
    alarms: tuple[Alarm, ...]

    @property
    def is_alarmed(self) -> bool:
        """Whether an alarm waits for an operator."""
        return any(alarm.settled_at is None for alarm in self.alarms)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmEvidence:
    """What an alarm rests on. own_root: what this department knows as the root at the size that it was shown."""

    alarm: Alarm
    own_root: bytes | None


class Compared(StrEnum):
    """What this department says of a state of the log that another one shows."""

    AGREES = "agrees"  # it has seen the same
    CONTRADICTS = "contradicts"  # it has seen another root at this size: the bureau has shown two logs
    NOT_SEEN = "not-seen"  # it has not seen so much of the log yet
    FORGOTTEN = "forgotten"  # it keeps no root of so long ago


def witness_status(view: LogView, database: Database) -> WitnessStatus:
    """The status now; raises `UntrustedKey` if the bureau is not pinned."""
    log = view.trusted()
    with database.reading() as connection:
        seen = seen_state(connection, view.origin)
        return WitnessStatus(
            origin=view.origin,
            size=seen.size,
            root=seen.frontier.root(),
            cosigned_at=seen.cosigned_at or None,
            quorum=log.quorum,
            witnesses=len({key.name for key in log.witnesses}),
            clock_ahead_seconds=clock_ahead(connection, view.origin),
            alarms=tuple(alarms(connection)),
        )


def is_usable(database: Database, origin: str) -> bool:
    """Whether nothing keeps all requests from being answered: no fork that is not settled, no disputed clock."""
    with database.reading() as connection:
        try:
            require_not_forked(connection)
            require_clock(connection, origin)
        except (LogStopped, ClockDisputed):
            return False
    return True


def evidence_of_alarm(database: Database, alarm_id: int) -> AlarmEvidence:
    """What an alarm rests on; raises `NoSuchAlarm` if there is none, or it is of the clock and rests on no note."""
    with database.reading() as connection:
        alarm = _find(connection, alarm_id)
        if not alarm.shown:
            raise NoSuchAlarm(f"alarm {alarm_id} is of the clock: no note shows it", advice="Look at the clock.")
        shown = checkpoint_in(alarm.shown)
        known = None
        if shown is not None:
            with suppress(PeerError):
                known = root_at(connection, shown.size)
        return AlarmEvidence(alarm=alarm, own_root=known)


def compare(view: LogView, database: Database, note: bytes) -> tuple[Checkpoint, Compared]:
    """The state in a note that another department shows, and what this one knows of it.

    Raises `MalformedMessage`, and `SignatureInvalid` for a note that the bureau's key in force did not sign.
    """
    keys = [key for key in view.trusted().log_keys if key.name == view.origin]
    checkpoint = signed_checkpoint(Note.decode(note), keys)
    with database.reading() as connection:
        if checkpoint.size > seen_state(connection, view.origin).size:
            return checkpoint, Compared.NOT_SEEN
        try:
            own = root_at(connection, checkpoint.size)
        except PeerError:
            return checkpoint, Compared.FORGOTTEN
    return checkpoint, Compared.AGREES if own == checkpoint.root else Compared.CONTRADICTS


def settle_alarm(database: Database, origin: str, alarm_id: int, *, now: int) -> Alarm:
    """Settle an alarm that an operator has looked at; return it as it was. Raises `NoSuchAlarm` if none such is open.

    With an alarm of the clock, what was compared and the time of the last cosignature are forgotten: while this clock
    was ahead, that time went ahead with it, and would be taken for now until the others had come to it. So whoever
    settles one while the clock is behind lets consents that have ended count again: the clock is set right first.
    """
    with database.begin() as connection:
        alarm = _find(connection, alarm_id)
        if not settle(connection, alarm_id, now=now):
            raise NoSuchAlarm(f"alarm {alarm_id} was settled before")
        if alarm.kind is AlarmKind.CLOCK:
            _FORGET_CLOCK.run(connection, origin=origin)
        return alarm


def checkpoint_in(note: bytes) -> Checkpoint | None:
    """The state in a note of an alarm, whose signature was verified when it came; None if there is none."""
    try:
        return Checkpoint.decode(Note.decode(note).text)
    except PeerError:
        return None


def _find(connection: Connection, alarm_id: int) -> Alarm:
    for alarm in alarms(connection):
        if alarm.alarm_id == alarm_id:
            return alarm
    raise NoSuchAlarm(f"there is no alarm {alarm_id}", advice="`yurong department witness status` lists them.")
