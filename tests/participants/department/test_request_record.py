"""What a department remembers of score requests."""

import contextlib
from collections.abc import Callable

import pytest

from crypto.errors import MaskContextReused, PeerError, ProtocolStateError, YurongError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId
from models.hosting.storage.database import Database
from participants.department.answered import AnsweredSets
from participants.department.request_record import KEPT_SECONDS, RequestRecord

VERSION, BANK, WHO = ModelVersion("0" * 32), ParticipantId("bank"), EnterpriseId("911100000000000000")
REQUEST, MASK, ANSWER = b"r" * 32, b"m" * 32, b"\x00 the answer's bytes"


@pytest.fixture
def record(department_database: Database) -> RequestRecord:
    return RequestRecord(department_database)


def test_claims_outlive_the_record(department_database: Database, record: RequestRecord) -> None:
    with record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)
        record.claim(MASK)
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "c"))
    again = RequestRecord(department_database)
    again_claimed: list[tuple[Callable[[], object], type[YurongError]]] = [
        (lambda: again.claim_request(REQUEST, now=50), PeerError),
        (lambda: again.claim(MASK), MaskContextReused),
        (lambda: again.claim_set(VERSION, BANK, WHO, ("a", "b", "d")), PeerError),
    ]
    for claim, error in again_claimed:
        with pytest.raises(error), again.recording(expires_at=100):
            claim()


def test_a_repeated_request_has_the_answer_that_it_was_given(record: RequestRecord) -> None:
    with record.recording(expires_at=100):
        assert record.claim_request(REQUEST, now=50) is None
        record.keep_answer(REQUEST, ANSWER)
    assert record.stored_answer(REQUEST) == ANSWER
    with record.recording(expires_at=100):
        assert record.claim_request(REQUEST, now=60) == ANSWER
    assert record.stored_answer(b"o" * 32) is None


def test_an_answer_is_kept_once_and_with_its_request(record: RequestRecord) -> None:
    with record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)
        record.keep_answer(REQUEST, ANSWER)
    for digest in (REQUEST, b"o" * 32):
        with pytest.raises(ProtocolStateError), record.recording(expires_at=100):
            record.keep_answer(digest, b"another")
    assert record.stored_answer(REQUEST) == ANSWER


def test_a_request_whose_answer_was_not_kept_is_refused_when_it_comes_again(record: RequestRecord) -> None:
    with record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)
    with pytest.raises(PeerError, match="used before"), record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)


def test_a_recording_that_fails_claims_nothing(record: RequestRecord) -> None:
    with contextlib.suppress(ZeroDivisionError), record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)
        record.keep_answer(REQUEST, ANSWER)
        record.claim(MASK)
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "c"))
        _ = 1 / 0
    assert record.stored_answer(REQUEST) is None
    with record.recording(expires_at=100):
        assert record.claim_request(REQUEST, now=50) is None
        record.claim(MASK)
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "d"))


def test_nothing_is_claimed_outside_a_recording(record: RequestRecord) -> None:
    claims: list[Callable[[], object]] = [
        lambda: record.claim_request(REQUEST, now=50),
        lambda: record.keep_answer(REQUEST, ANSWER),
        lambda: record.claim(MASK),
        lambda: record.claim_set(VERSION, BANK, WHO, ("a", "b", "c")),
    ]
    for claim in claims:
        with pytest.raises(ProtocolStateError):
            claim()


def test_requests_are_forgotten_long_after_they_expired_and_sets_never(record: RequestRecord) -> None:
    with record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)
        record.keep_answer(REQUEST, ANSWER)
        record.claim(MASK)
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "c"))
    for now, remembered in ((100 + KEPT_SECONDS, True), (101 + KEPT_SECONDS, False)):
        with record.recording(expires_at=now + 60) as connection:
            record.claim_request(now.to_bytes(32, "big"), now=now)
            kept = connection.exec_driver_sql("SELECT count(*) FROM mask_contexts").scalar()
        assert (record.stored_answer(REQUEST) == ANSWER) is (kept == 1) is remembered
    with pytest.raises(PeerError), record.recording(expires_at=10**6):
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "d"))


def test_a_batch_and_an_online_request_share_the_memory_of_sets(
    department_database: Database, record: RequestRecord
) -> None:
    batch = AnsweredSets(department_database)
    batch.claim(VERSION, BANK, [WHO], ("a", "b", "c"))
    with pytest.raises(PeerError), record.recording(expires_at=100):
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "d"))
    other = EnterpriseId("911100000000000001")
    with record.recording(expires_at=100):
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "c"))
        record.claim_set(VERSION, BANK, other, ("a", "b", "d"))
    with pytest.raises(PeerError):
        batch.claim(VERSION, BANK, [other], ("a", "b", "c"))
