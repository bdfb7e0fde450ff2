"""What requests are held against, as settings have it, and when none would be answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from crypto.identifiers import ParticipantId
from models.hosting.storage.database import Database
from participants.department.database.tables import log_seen
from participants.department.errors import ClockDisputed, LogStopped
from participants.department.evidence import Evidence
from participants.department.log.alarms import AlarmKind, alarms, raise_alarm, settle
from participants.department.settings import DepartmentSettings
from simulations.local_log import PAGES
from simulations.online_rehearsal import SetClock
from simulations.shown_log import DEPARTMENTS, ShownLog
from simulations.witnessed_log import BUREAU


@pytest.fixture
def log(tmp_path: Path) -> ShownLog:
    return ShownLog(tmp_path / "home", SetClock())


def test_a_fork_that_is_not_settled_and_a_disputed_clock_make_it_unusable_and_nothing_else(
    log: ShownLog, department_database: Database
) -> None:
    evidence = Evidence.of(log.home, department_database, bureau=BUREAU, relying_party=PAGES)
    log.answer()
    evidence.view.take_in(log.extension())
    with department_database.begin() as connection:
        raise_alarm(connection, AlarmKind.NOT_EXTENDED, now=1, shown=b"x")
        evidence.require_usable(connection)
        raise_alarm(connection, AlarmKind.FORKED, now=1, shown=b"x")
        with pytest.raises(LogStopped):
            evidence.require_usable(connection)
        settle(connection, alarms(connection)[-1].alarm_id, now=2)
        connection.execute(update(log_seen), {"clock_ahead_seconds": -301})
        with pytest.raises(ClockDisputed):
            evidence.require_usable(connection)
        connection.execute(update(log_seen), {"clock_ahead_seconds": -300})
        evidence.require_usable(connection)


def test_the_quorum_is_a_majority_unless_it_is_set(log: ShownLog, department_database: Database) -> None:
    for quorum, found in ((None, 3), (1, 1), (4, 4)):
        evidence = Evidence.of(log.home, department_database, bureau=BUREAU, relying_party=PAGES, quorum=quorum)
        assert (evidence.view.trusted().quorum, len(evidence.view.trusted().witnesses)) == (found, len(DEPARTMENTS))


def test_settings_name_the_bureau_and_the_quorum(log: ShownLog, department_database: Database) -> None:
    for quorum, found in ((0, 3), (4, 4)):
        settings = DepartmentSettings.model_validate({"bureau": BUREAU, "witness_quorum": quorum})
        evidence = Evidence.of_settings(log.home, department_database, settings)
        assert evidence.view.trusted().quorum == found
        assert evidence.permissions.bureau == BUREAU
    other = Evidence.of_settings(
        log.home, department_database, DepartmentSettings.model_validate({"bureau": "bureau-2"})
    )
    assert other.permissions.bureau == ParticipantId("bureau-2")
    assert other.view.origin != evidence.view.origin
