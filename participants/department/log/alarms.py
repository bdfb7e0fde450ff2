"""Evidence that the log is not what it was, kept until the operator has settled it.

| kind           | what this department was shown                                        | then                |
|----------------|-----------------------------------------------------------------------|---------------------|
| `forked`       | a state of a size that it knows another root of, signed by the log    | nothing is answered |
| `not-extended` | a state, signed by the log, that what it saw and was shown lead not to | it is refused       |
| `clock`        | nothing: its clock and the other witnesses' differ                    | nothing is answered |

The first cannot come from a fault on the way: both states bear the log's signature, and both are kept, for anybody to
look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from models.hosting.storage.statement import Prepared
from participants.department.errors import LogStopped

_RAISE: Final = Prepared(
    "INSERT INTO log_alarms (kind, raised_at, seen, shown) SELECT :kind, :now, :seen, :shown WHERE NOT EXISTS"
    " (SELECT 1 FROM log_alarms WHERE kind = :kind AND shown = :shown AND settled_at IS NULL)"
)
_OPEN: Final = Prepared("SELECT 1 FROM log_alarms WHERE kind = :kind AND settled_at IS NULL")
_ALL: Final = Prepared("SELECT alarm_id, kind, raised_at, seen, shown, settled_at FROM log_alarms ORDER BY alarm_id")
_SETTLE: Final = Prepared("UPDATE log_alarms SET settled_at = :now WHERE alarm_id = :alarm_id AND settled_at IS NULL")
_SETTLE_KIND: Final = Prepared("UPDATE log_alarms SET settled_at = :now WHERE kind = :kind AND settled_at IS NULL")


class AlarmKind(StrEnum):
    """What an alarm is about."""

    FORKED = "forked"
    NOT_EXTENDED = "not-extended"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. seen, shown: signed checkpoints, or nothing. Times in seconds since 1970."""

    alarm_id: int
    kind: AlarmKind
    raised_at: int
    seen: bytes
    shown: bytes
    settled_at: int | None


def raise_alarm(connection: Connection, kind: AlarmKind, *, now: int, seen: bytes = b"", shown: bytes = b"") -> bool:
    """Keep the evidence; False if the same is kept and not settled yet."""
    return bool(_RAISE.run(connection, kind=kind.value, now=now, seen=seen, shown=shown).rowcount)


def require_not_forked(connection: Connection) -> None:
    """Raise `LogStopped` while evidence of a fork is not settled."""
    if _OPEN.run(connection, kind=AlarmKind.FORKED.value).fetchone() is not None:
        raise LogStopped


def alarms(connection: Connection) -> list[Alarm]:
    """All alarms, the oldest first."""
    return [
        Alarm(int(row[0]), AlarmKind(row[1]), int(row[2]), bytes(row[3]), bytes(row[4]), row[5])
        for row in _ALL.run(connection).fetchall()
    ]


def settle(connection: Connection, alarm_id: int, *, now: int) -> bool:
    """Settle an alarm; False if there is no such alarm that is open."""
    return bool(_SETTLE.run(connection, alarm_id=alarm_id, now=now).rowcount)


def settle_kind(connection: Connection, kind: AlarmKind, *, now: int) -> bool:
    """Settle all alarms of a kind, whose cause is gone; False if there was none."""
    return bool(_SETTLE_KIND.run(connection, kind=kind.value, now=now).rowcount)
