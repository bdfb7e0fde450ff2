"""Alarms: the same one is kept once while it is open, a fork stops everything, and settled is settled."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.hosting.storage.database import Database
from participants.department.errors import LogStopped
from participants.department.log.alarms import (
    Alarm,
    AlarmKind,
    alarms,
    raise_alarm,
    require_not_forked,
    settle,
    settle_kind,
)


def test_the_same_evidence_is_kept_once_while_it_is_open_and_again_when_it_was_settled(
    department_database: Database,
) -> None:
    with department_database.begin() as connection:
        assert raise_alarm(connection, AlarmKind.NOT_EXTENDED, now=1, seen=b"a", shown=b"b")
        assert not raise_alarm(connection, AlarmKind.NOT_EXTENDED, now=2, seen=b"c", shown=b"b")
        assert raise_alarm(connection, AlarmKind.NOT_EXTENDED, now=3, seen=b"a", shown=b"d")
        assert raise_alarm(connection, AlarmKind.CLOCK, now=4)
        assert not raise_alarm(connection, AlarmKind.CLOCK, now=5)
        first, second, clock = alarms(connection)
        assert first == Alarm(first.alarm_id, AlarmKind.NOT_EXTENDED, 1, b"a", b"b", None)
        assert (second.shown, clock.kind, clock.seen, clock.shown) == (b"d", AlarmKind.CLOCK, b"", b"")
        assert settle(connection, first.alarm_id, now=6)
        assert not settle(connection, first.alarm_id, now=7)
        assert not settle(connection, clock.alarm_id + 1, now=7)
        assert raise_alarm(connection, AlarmKind.NOT_EXTENDED, now=8, seen=b"a", shown=b"b")
    with department_database.reading() as connection:
        assert [(one.raised_at, one.settled_at) for one in alarms(connection)] == [
            (1, 6),
            (3, None),
            (4, None),
            (8, None),
        ]


def test_a_fork_alone_stops_everything_until_every_alarm_of_one_is_settled(department_database: Database) -> None:
    with department_database.begin() as connection:
        raise_alarm(connection, AlarmKind.NOT_EXTENDED, now=1, shown=b"x")
        raise_alarm(connection, AlarmKind.CLOCK, now=1)
        require_not_forked(connection)
        for shown in (b"x", b"y"):
            raise_alarm(connection, AlarmKind.FORKED, now=1, shown=shown)
        forks = [one.alarm_id for one in alarms(connection) if one.kind is AlarmKind.FORKED]
        for alarm_id in forks:
            with pytest.raises(LogStopped):
                require_not_forked(connection)
            settle(connection, alarm_id, now=2)
        require_not_forked(connection)


def test_all_alarms_of_a_kind_are_settled_at_once_and_no_others(department_database: Database) -> None:
    with department_database.begin() as connection:
        raise_alarm(connection, AlarmKind.NOT_EXTENDED, now=1, shown=b"x")
        assert not settle_kind(connection, AlarmKind.CLOCK, now=2)
        raise_alarm(connection, AlarmKind.CLOCK, now=1)
        assert settle_kind(connection, AlarmKind.CLOCK, now=2)
        assert [one.settled_at for one in alarms(connection)] == [None, 2]


def test_an_alarm_that_many_raise_at_once_is_there(department_database: Database) -> None:
    together = threading.Barrier(4)

    def raise_one(_: int) -> None:
        together.wait()
        with department_database.begin() as connection:
            raise_alarm(connection, AlarmKind.FORKED, now=1, seen=b"a", shown=b"b")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(raise_one, range(4)))
    with department_database.reading() as connection:
        assert {(one.kind, one.shown) for one in alarms(connection)} == {(AlarmKind.FORKED, b"b")}
        with pytest.raises(LogStopped):
            require_not_forked(connection)
