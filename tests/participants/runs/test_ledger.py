"""Mask contexts are claimed once, over restarts and crashes."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crypto.errors import MaskContextReused, ProtectionUnavailable
from participants.runs.ledger import FileLedger

FIRST, SECOND = b"1" * 32, b"2" * 32


def test_a_claim_outlives_the_process(tmp_path: Path) -> None:
    FileLedger(tmp_path / "ledger").claim(FIRST)
    again = FileLedger(tmp_path / "ledger")
    with pytest.raises(MaskContextReused):
        again.claim(FIRST)
    again.claim(SECOND)
    assert stat.S_IMODE((tmp_path / "ledger").stat().st_mode) == 0o600


def test_a_record_that_a_crash_cut_off_does_not_shift_those_after_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_bytes(FIRST + SECOND[:10])
    ledger = FileLedger(path)
    ledger.claim(SECOND)
    for digest in (FIRST, SECOND):
        with pytest.raises(MaskContextReused):
            FileLedger(path).claim(digest)


def test_of_many_claims_at_once_one_succeeds(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "ledger")

    def claim(_: int) -> bool:
        try:
            ledger.claim(FIRST)
        except MaskContextReused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(40))) == 1


def test_what_is_no_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtectionUnavailable):
        FileLedger(tmp_path / "ledger").claim(b"short")
