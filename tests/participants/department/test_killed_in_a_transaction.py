"""A department that is killed (-9) at any moment has all of what it was writing, or nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId
from models.hosting.storage.database import Database
from participants.department.partials import PartialTable
from participants.department.request_record import RequestRecord

VERSION, BANK, WHO = ModelVersion("a" * 32), ParticipantId("bank"), EnterpriseId("911100000000000000")
IDS = [EnterpriseId(f"{number:018d}") for number in range(3000)]
REPLACES = """
import sys
import numpy as np
from crypto.identifiers import Role
from participants.department.partials import PartialTable
from participants.node_database import new_database
database = new_database(sys.argv[1], Role.DEPARTMENT)
table = PartialTable(database, "a" * 32)
ids = [f"{number:018d}" for number in range(3000)]
print("begins", flush=True)
for turn in range(1, 1000):
    with database.begin() as connection:
        table.replace(connection, ids, np.full(3000, turn), as_of=turn, absent=turn)
    print(turn, flush=True)
"""
ANSWERS = """
import sys, time
from crypto.identifiers import Role
from participants.department.request_record import RequestRecord
from participants.node_database import new_database
record = RequestRecord(new_database(sys.argv[1], Role.DEPARTMENT))
with record.recording(expires_at=100):
    record.claim_request(b"r" * 32, now=50)
    record.claim_set("a" * 32, "bank", "911100000000000000", ("a", "b", "c"))
    record.claim(b"m" * 32)
    record.keep_answer(b"r" * 32, b"the answer")
    if sys.argv[2] == "before":
        print("written", flush=True)
        time.sleep(60)
print("written", flush=True)
time.sleep(60)
"""


def started(program: str, *arguments: str, directory: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=directory)


def test_partials_are_those_of_one_turn(department_database: Database, database_url: str, tmp_path: Path) -> None:
    table = PartialTable(department_database, VERSION)
    for seed in range(3):
        with started(REPLACES, database_url, directory=tmp_path) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(random.Random(seed).uniform(0.05, 0.3))
            process.send_signal(signal.SIGKILL)
            told = process.stdout.read().split(b"\n")[:-1]
        words = table.words(IDS)
        (turn,) = set(words.tolist())
        # What was confirmed is there; what was under way may be, if the kill came between disk and confirmation.
        assert turn - len(told) in (0, 1)
        with department_database.begin() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM partials").scalar_one() == len(IDS)
            table.replace(connection, IDS, np.zeros(len(IDS), np.int64), as_of=0, absent=0)


def test_a_request_is_answered_with_all_its_claims_or_was_never_asked(
    department_database: Database, database_url: str, tmp_path: Path
) -> None:
    record = RequestRecord(department_database)
    for moment, answer in (("before", None), ("after", b"the answer")):
        with started(ANSWERS, database_url, moment, directory=tmp_path) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        assert record.stored_answer(b"r" * 32) == answer
        with department_database.reading() as connection:
            tables = ("requests", "mask_contexts", "answered")
            counts = [connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar_one() for name in tables]
        assert counts == [0 if answer is None else 1] * 3
    with record.recording(expires_at=100):
        assert record.claim_request(b"r" * 32, now=50) == b"the answer"
        record.claim_set(VERSION, BANK, WHO, ("a", "b", "c"))
