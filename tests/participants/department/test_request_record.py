"""What a department remembers of score requests."""

import contextlib
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from crypto.errors import MaskContextReused, PeerError, ProtectionUnavailable, ProtocolStateError, YurongError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId
from participants.department.answered import AnsweredSets
from participants.department.request_record import KEPT_SECONDS, RequestRecord

VERSION, BANK, WHO = ModelVersion("0" * 32), ParticipantId("bank"), EnterpriseId("911100000000000000")
REQUEST, MASK = b"r" * 32, b"m" * 32


def test_claims_outlive_the_process_and_the_file_is_the_owners(tmp_path: Path) -> None:
    record = RequestRecord(tmp_path / "record")
    with record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)
        record.claim(MASK)
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "c"))
    record.close()
    again = RequestRecord(tmp_path / "record")
    again_claimed: list[tuple[Callable[[], None], type[YurongError]]] = [
        (lambda: again.claim_request(REQUEST, now=50), PeerError),
        (lambda: again.claim(MASK), MaskContextReused),
        (lambda: again.claim_set(VERSION, BANK, WHO, ("a", "b", "d")), PeerError),
    ]
    for claim, error in again_claimed:
        with pytest.raises(error), again.recording(expires_at=100):
            claim()
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    again.close()


def test_a_recording_that_fails_claims_nothing(tmp_path: Path) -> None:
    record = RequestRecord(tmp_path / "record")
    with contextlib.suppress(ZeroDivisionError), record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)
        record.claim(MASK)
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "c"))
        _ = 1 / 0
    with record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)
        record.claim(MASK)
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "d"))
    record.close()


def test_nothing_is_claimed_outside_a_recording(tmp_path: Path) -> None:
    record = RequestRecord(tmp_path / "record")
    claims: list[Callable[[], None]] = [
        lambda: record.claim_request(REQUEST, now=50),
        lambda: record.claim(MASK),
        lambda: record.claim_set(VERSION, BANK, WHO, ("a", "b", "c")),
    ]
    for claim in claims:
        with pytest.raises(ProtocolStateError):
            claim()
    record.close()


def test_requests_are_forgotten_long_after_they_expired_and_sets_never(tmp_path: Path) -> None:
    record = RequestRecord(tmp_path / "record")
    with record.recording(expires_at=100):
        record.claim_request(REQUEST, now=50)
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "c"))
    for now, remembered in ((100 + KEPT_SECONDS, True), (101 + KEPT_SECONDS, False)):
        with record.recording(expires_at=now + 60):
            record.claim_request(now.to_bytes(32, "big"), now=now)
        rows = record._database.execute("SELECT count(*) FROM used WHERE digest = ?", (REQUEST,)).fetchone()
        assert bool(rows[0]) is remembered
    with pytest.raises(PeerError), record.recording(expires_at=10**6):
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "d"))
    record.close()


def test_a_batch_and_an_online_request_share_the_memory_of_sets(tmp_path: Path) -> None:
    path = tmp_path / "record"
    AnsweredSets(path).claim(VERSION, BANK, [WHO], ("a", "b", "c"))
    record = RequestRecord(path)
    with pytest.raises(PeerError), record.recording(expires_at=100):
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "d"))
    other = EnterpriseId("911100000000000001")
    with record.recording(expires_at=100):
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "c"))
        record.claim_set(VERSION, BANK, other, ("a", "b", "d"))
    with pytest.raises(PeerError):
        AnsweredSets(path).claim(VERSION, BANK, [other], ("a", "b", "c"))
    record.close()


def test_a_file_that_is_no_record_gives_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "record").write_bytes(b"not a database at all, and long enough to be looked at" * 20)
    with pytest.raises(ProtectionUnavailable):
        RequestRecord(tmp_path / "record")
