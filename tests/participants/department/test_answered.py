"""Each enterprise is answered for one bank and model with one set of departments."""

from __future__ import annotations

import numpy as np
import pytest

from crypto.errors import PeerError
from crypto.identifiers import ModelVersion, ParticipantId
from models.enterprise_id import make_enterprise_ids
from models.hosting.storage.database import Database
from participants.department.answered import AnsweredSets

MODEL, BANK = ModelVersion("a" * 32), ParticipantId("bank")
ALL, FEWER = ("courts", "land", "power", "tax"), ("courts", "land", "tax")


def test_another_set_is_refused_until_the_model_or_the_bank_is_another(department_database: Database) -> None:
    first, second, third = make_enterprise_ids(np.random.default_rng(1), 3)
    sets = AnsweredSets(department_database)
    sets.claim(MODEL, BANK, [first, second], ALL)
    sets.claim(MODEL, BANK, [second], ALL)
    again = AnsweredSets(department_database)
    with pytest.raises(PeerError):
        again.claim(MODEL, BANK, [third, second], FEWER)
    again.claim(MODEL, BANK, [third], FEWER)  # the refused list left nothing behind
    again.claim(ModelVersion("b" * 32), BANK, [second], FEWER)
    again.claim(MODEL, ParticipantId("other"), [second], FEWER)


def test_whom_a_bank_asked_about_cannot_be_read_from_the_table(department_database: Database) -> None:
    ids = make_enterprise_ids(np.random.default_rng(1), 20)
    AnsweredSets(department_database).claim(MODEL, BANK, ids, ALL)
    with department_database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT question, members FROM answered").fetchall()
    assert len(rows) == 20
    kept = b"".join(bytes(value) for row in rows for value in row)
    assert not any(one.encode() in kept for one in ids)


def test_a_long_list_is_claimed_whole_or_not_at_all(department_database: Database) -> None:
    ids = make_enterprise_ids(np.random.default_rng(2), 25_000)
    sets = AnsweredSets(department_database)
    sets.claim(MODEL, BANK, ids[-1:], FEWER)
    with pytest.raises(PeerError):
        sets.claim(MODEL, BANK, ids, ALL)
    sets.claim(MODEL, BANK, ids, FEWER)  # nothing of the refused list is left
    sets.claim(MODEL, BANK, ids, FEWER)
    with pytest.raises(PeerError):
        sets.claim(MODEL, BANK, ids[:1], ALL)
