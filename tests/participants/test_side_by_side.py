"""Several processes or threads over one home: what is claimed once is claimed once, whoever asks at the same time.

Stock Flower starts a process for every message, and a bureau may send many at once.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from crypto.errors import MaskContextReused, PeerError, ProtectionUnavailable
from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from models.enterprise_id import make_enterprise_ids
from models.hosting.storage.database import Database
from models.wire.binning import BinRequest
from models.wire.setup import Done
from models.wire.steps import Step
from participants.department.answered import AnsweredSets
from participants.department.request_record import RequestRecord
from participants.node import Node
from participants.node_database import new_database
from participants.runs.ledger import DIGEST_BYTES, FileLedger
from simulations.online_rehearsal import OnlineRehearsal

FIRST, SECOND = b"1" * DIGEST_BYTES, b"2" * DIGEST_BYTES
MODEL, BANK = ModelVersion("a" * 32), ParticipantId("bank")
ALL, FEWER = ("courts", "land", "power", "tax"), ("courts", "land", "tax")


def test_a_context_that_another_process_claimed_is_claimed(tmp_path: Path) -> None:
    here, there = FileLedger(tmp_path / "ledger"), FileLedger(tmp_path / "ledger")
    there.claim(FIRST)
    with pytest.raises(MaskContextReused):
        here.claim(FIRST)
    here.claim(SECOND)
    with pytest.raises(MaskContextReused):
        there.claim(SECOND)


def test_of_many_processes_that_claim_at_once_one_succeeds(tmp_path: Path) -> None:
    ledgers = [FileLedger(tmp_path / "ledger") for _ in range(40)]

    def claims(ledger: FileLedger) -> bool:
        try:
            ledger.claim(FIRST)
        except MaskContextReused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claims, ledgers)) == 1


def test_a_disk_that_takes_a_part_of_a_record_claims_nothing_and_shifts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, write = FileLedger(tmp_path / "ledger"), os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
        with pytest.raises(ProtectionUnavailable):
            ledger.claim(FIRST)
    ledger.claim(SECOND)
    with pytest.raises(MaskContextReused):
        FileLedger(tmp_path / "ledger").claim(SECOND)


def test_a_ledger_that_was_set_back_is_noticed(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path / "ledger")
    ledger.claim(FIRST)
    os.truncate(tmp_path / "ledger", 0)
    with pytest.raises(ProtectionUnavailable, match="shorter"):
        ledger.claim(SECOND)


def test_one_enterprise_is_not_answered_in_a_batch_and_online_at_once_with_two_sets(
    database_url: str, department_database: Database
) -> None:
    (enterprise,) = make_enterprise_ids(np.random.default_rng(1), 1)
    other_process = new_database(database_url, Role.DEPARTMENT)
    record, batch = RequestRecord(department_database), AnsweredSets(other_process)
    with ThreadPoolExecutor(1) as pool, record.recording(expires_at=100):
        record.claim_set(MODEL, BANK, enterprise, ALL)
        # The batch comes while what online scoring claims is not on disk yet.
        other = pool.submit(batch.claim, MODEL, BANK, [enterprise], FEWER)
        time.sleep(0.3)
        assert not other.done()
    with pytest.raises(PeerError, match="another set"):
        other.result()
    other_process.close()


def test_of_many_that_send_one_request_at_once_one_is_first_and_the_others_get_its_answer(
    database_url: str, department_database: Database
) -> None:
    databases = [new_database(database_url, Role.DEPARTMENT) for _ in range(4)]
    records = [RequestRecord(database) for database in (department_database, *databases)]

    def ask(record: RequestRecord) -> bytes | None:
        with record.recording(expires_at=100):
            answer = record.claim_request(FIRST, now=50)
            if answer is None:
                record.claim(SECOND)
                record.keep_answer(FIRST, b"the answer")
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, records * 4))
    assert answers.count(None) == 1
    assert answers.count(b"the answer") == len(answers) - 1
    for database in databases:
        database.close()


def test_a_refused_list_leaves_the_table_free(department_database: Database) -> None:
    first, second = make_enterprise_ids(np.random.default_rng(1), 2)
    sets = AnsweredSets(department_database)
    sets.claim(MODEL, BANK, [first], ALL)
    with pytest.raises(PeerError):
        sets.claim(MODEL, BANK, [second, first], FEWER)
    with department_database.begin() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM answered").scalar() == 1


class Overlapping:
    """A side that notices when it is asked twice at once."""

    def __init__(self) -> None:
        self._busy = threading.Lock()
        self.overlapped = False

    def answer(self, request: BinRequest) -> Done:
        if not self._busy.acquire(blocking=False):
            self.overlapped = True
            return Done(run_id=request.run_id)
        time.sleep(0.02)
        self._busy.release()
        return Done(run_id=request.run_id)


def test_a_participant_answers_one_step_at_a_time_in_all_its_processes(rehearsal: OnlineRehearsal) -> None:
    home = rehearsal.home(rehearsal.drawn.departments[0])
    side = Overlapping()
    nodes = [Node(home) for _ in range(4)]
    for node in nodes:
        node._sides[RunId("drawn")] = side  # type: ignore[assignment]
    body = BinRequest(run_id="drawn").encode()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda node: node.handle(Step.BIN_DEPARTMENT, body), nodes * 3))
    assert not side.overlapped
