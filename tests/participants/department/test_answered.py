"""Each enterprise is answered for one bank and model with one set of departments."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from crypto.errors import PeerError
from crypto.identifiers import ModelVersion, ParticipantId
from models.enterprise_id import make_enterprise_ids
from participants.department.answered import AnsweredSets

MODEL, BANK = ModelVersion("a" * 32), ParticipantId("bank")
ALL, FEWER = ("courts", "land", "power", "tax"), ("courts", "land", "tax")


def test_another_set_is_refused_until_the_model_or_the_bank_is_another(tmp_path: Path) -> None:
    first, second, third = make_enterprise_ids(np.random.default_rng(1), 3)
    sets = AnsweredSets(tmp_path / "answered.sqlite")
    sets.claim(MODEL, BANK, [first, second], ALL)
    sets.claim(MODEL, BANK, [second], ALL)
    again = AnsweredSets(tmp_path / "answered.sqlite")
    with pytest.raises(PeerError):
        again.claim(MODEL, BANK, [third, second], FEWER)
    again.claim(MODEL, BANK, [third], FEWER)  # the refused list left nothing behind
    again.claim(ModelVersion("b" * 32), BANK, [second], FEWER)
    again.claim(MODEL, ParticipantId("other"), [second], FEWER)


def test_whom_a_bank_asked_about_cannot_be_read_from_the_file(tmp_path: Path) -> None:
    ids = make_enterprise_ids(np.random.default_rng(1), 20)
    path = tmp_path / "answered.sqlite"
    AnsweredSets(path).claim(MODEL, BANK, ids, ALL)
    assert not any(one.encode() in path.read_bytes() for one in ids)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
