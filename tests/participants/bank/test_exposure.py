from pathlib import Path

import pytest

from crypto.errors import ProtectionUnavailable
from crypto.identifiers import ParticipantId, RunId
from participants.bank.exposure import OpenedNumbers
from participants.runs.run_store import RunStore

TAX = ParticipantId("tax")


def test_numbers_are_opened_until_ten_rows_cover_each(tmp_path: Path) -> None:
    opened = OpenedNumbers(RunStore(tmp_path, RunId("run")))
    opened.spend(TAX, 50, training_rows=1000)
    opened.spend(TAX, 50, training_rows=1000)
    with pytest.raises(ProtectionUnavailable, match="101 opened numbers"):
        opened.spend(TAX, 1, training_rows=1000)


def test_attempts_made_again_count_even_after_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        OpenedNumbers(RunStore(tmp_path, RunId("run"))).spend(TAX, 50, training_rows=1000)
    with pytest.raises(ProtectionUnavailable):
        OpenedNumbers(RunStore(tmp_path, RunId("run"))).spend(TAX, 50, training_rows=1000)


def test_each_department_has_a_count_of_its_own(tmp_path: Path) -> None:
    opened = OpenedNumbers(RunStore(tmp_path, RunId("run")))
    opened.spend(TAX, 100, training_rows=1000)
    opened.spend(ParticipantId("courts"), 100, training_rows=1000)


def test_what_is_refused_is_not_counted(tmp_path: Path) -> None:
    opened = OpenedNumbers(RunStore(tmp_path, RunId("run")))
    with pytest.raises(ProtectionUnavailable):
        opened.spend(TAX, 101, training_rows=1000)
    opened.spend(TAX, 100, training_rows=1000)
