"""Score requests at the bureau, of which it keeps everything but about whom."""

from __future__ import annotations

import pytest

from coordinator.database import SCHEMA
from coordinator.database.tables import metadata
from coordinator.scores.request_log import LoggedRequest, RequestLog
from coordinator.scores.scoring import Relay, ServedModel
from crypto.identifiers import ModelVersion, ParticipantId
from crypto.paillier import MINIMUM_BITS, PaillierPublicKey
from models.hosting.storage.database import Database
from simulations.online_rehearsal import SetClock

BANK, ALL = ParticipantId("bank"), tuple(ParticipantId(name) for name in ("courts", "land", "tax", "water"))
MODEL = ServedModel(version=ModelVersion("a" * 32), departments=ALL, banks={})
KEY = PaillierPublicKey((1 << MINIMUM_BITS) - 3)  # nothing is encrypted under it


def relay(digest: bytes, *missing: str) -> Relay:
    members = tuple(name for name in ALL if name not in missing)
    return Relay(
        model=MODEL,
        bank=BANK,
        key=KEY,
        digest=digest,
        departments=members,
        document=b"",
        use_tag=bytes(16),
        boxes={},
    )


def test_a_request_is_logged_once_with_its_last_outcome(database_url: str) -> None:
    database = Database(database_url, SCHEMA)
    database.migrate()
    clock = SetClock(100)
    log = RequestLog(database, clock=clock)
    log.received(relay(b"1" * 32, "land"))
    clock.seconds = 101
    log.ended(b"1" * 32, "timeout")
    log.received(relay(b"2" * 32))
    clock.seconds = 102
    log.received(relay(b"1" * 32, "land"))
    log.ended(b"1" * 32, "answered")
    newest, oldest = log.latest(10)
    assert newest == LoggedRequest(
        digest=b"2" * 32,
        bank=BANK,
        model_version=MODEL.version,
        received_at=101,
        answered_at=None,
        outcome=None,
        missing=(),
    )
    assert (oldest.received_at, oldest.answered_at, oldest.outcome, oldest.missing) == (100, 102, "answered", ("land",))
    assert log.latest(1) == [newest]
    database.close()


def test_what_was_answered_stays_answered_whatever_comes_of_the_same_bytes_later(database_url: str) -> None:
    database = Database(database_url, SCHEMA)
    database.migrate()
    clock = SetClock(100)
    log = RequestLog(database, clock=clock)
    log.received(relay(b"1" * 32))
    log.ended(b"1" * 32, "answered")
    clock.seconds = 900
    log.received(relay(b"1" * 32))
    log.ended(b"1" * 32, "request-expired")
    (only,) = log.latest(10)
    assert (only.received_at, only.answered_at, only.outcome) == (100, 100, "answered")
    database.close()


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=str)
def test_the_bureau_has_no_place_for_an_enterprise(table: object) -> None:
    assert not [column for column in table.columns if "enterprise" in column.name]  # type: ignore[attr-defined]
