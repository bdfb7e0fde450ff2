"""This department's clock against those of the other witnesses, so that no wrong clock opens or jams anything unseen.

    the bureau shows a checkpoint that this department and others have cosigned within the last seconds
    ahead = own time - middle of the others' times            each is in the cosignature, and signed with it

Of an even number of others the nearer of the two in the middle counts: a mean of two is nobody's time, and one that
lies could move it.

A department whose clock is more than five minutes off says so (an alarm, `/readyz`, `witness status`) and answers
nothing, until a later checkpoint shows the clocks to agree. The bureau cannot make the times up; it could show an old
cosignature beside new ones, and so stop a department, as it can by not asking it.
"""

from __future__ import annotations

import logging
from statistics import median_high, median_low
from typing import Final

from sqlalchemy import Connection

from crypto.identifiers import ParticipantId
from crypto.transparency.checkpoint import signed_checkpoint
from crypto.transparency.cosignature import times_of_cosigning
from crypto.transparency.note import Note
from crypto.transparency.receipt import TrustedLog
from models.consent.states import CLOCK_TOLERANCE_SECONDS
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared
from models.log.names import witness_name
from participants.department.errors import ClockDisputed
from participants.department.log.alarms import AlarmKind, raise_alarm, settle_kind

_AHEAD: Final = Prepared("SELECT clock_ahead_seconds FROM log_seen WHERE origin = :origin")
_COMPARED: Final = Prepared("UPDATE log_seen SET clock_ahead_seconds = :ahead WHERE origin = :origin")
_LARGEST: Final = (1 << 31) - 1
_LOG: Final = logging.getLogger("yurong.witness")


def compare_clocks(
    database: Database, note: Note, log: TrustedLog, me: ParticipantId, *, origin: str, now: int
) -> int | None:
    """How far this clock was ahead (seconds) when it cosigned this checkpoint; None if the note does not tell.

    Raises `SignatureInvalid` and `MalformedMessage` for a note that is none of the log's.
    """
    signed_checkpoint(note, log.log_keys)
    times = times_of_cosigning(note, log.witnesses)
    own = times.pop(witness_name(me), None)
    if own is None or len(times) + 1 < log.quorum:
        return None
    # Of an even number the nearer one of the two in the middle: of two others one that lies would move their mean.
    middle = min(median_low(times.values()), median_high(times.values()), key=lambda at: abs(own - at))
    ahead = max(-_LARGEST, min(_LARGEST, own - middle))
    with database.begin() as connection:
        before = clock_ahead(connection, origin)
        if before != ahead:
            _COMPARED.run(connection, origin=origin, ahead=ahead)
        if abs(ahead) > CLOCK_TOLERANCE_SECONDS:
            if raise_alarm(connection, AlarmKind.CLOCK, now=now):
                _LOG.critical("this clock is %d s ahead of the other witnesses'", ahead)
        elif before is not None and abs(before) > CLOCK_TOLERANCE_SECONDS:
            settle_kind(connection, AlarmKind.CLOCK, now=now)
    return ahead


def clock_ahead(connection: Connection, origin: str) -> int | None:
    """How far this clock was ahead when it was compared last, in seconds; None if it never was."""
    row = _AHEAD.run(connection, origin=origin).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def require_clock(connection: Connection, origin: str) -> None:
    """Raise `ClockDisputed` if this clock was found to be wrong, and not right again since."""
    ahead = clock_ahead(connection, origin)
    if ahead is not None and abs(ahead) > CLOCK_TOLERANCE_SECONDS:
        raise ClockDisputed
