"""What departments say of themselves comes into the log as they signed it, and as nobody else did."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.database import open_database
from coordinator.home import BureauHome
from coordinator.permissions import took_part
from coordinator.transparency_log import outbox
from crypto.identifiers import ParticipantId, Role, RunId
from crypto.identity import Identity
from models.wire.permission import Action, Permission, takes_part
from participants.home import Home

RUN, NOW = RunId("a-run"), 1_800_000_000


class Desk:
    def __init__(self, directory: Path) -> None:
        name = ParticipantId("bureau")
        self.bureau = BureauHome.create(directory / name, participant_id=name, role=Role.BUREAU, title=name)
        self.tax = self._found(directory, "tax", Role.DEPARTMENT)
        self.bank = self._found(directory, "bank", Role.BANK)
        for home in (self.tax, self.bank):
            self.bureau.pins.pin(home.hand_over(), fingerprint=home.identity().public.fingerprint())
        self.database = open_database(self.bureau)

    @staticmethod
    def _found(directory: Path, name: str, role: Role) -> Home:
        return Home.create(directory / name, participant_id=ParticipantId(name), role=role, title=name)

    def logged(self, *documents: bytes) -> list[Permission]:
        """What waits for the log after the bureau was given these for the run."""
        took_part(self.bureau, self.database, RUN, documents)
        with self.database.reading() as connection:
            return [Permission.claimed(one.document or b"") for one in outbox.waiting(connection)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_department_that_takes_part_in_a_run_is_logged_by_its_own_word(desk: Desk) -> None:
    (permission,) = desk.logged(takes_part(desk.tax.participant_id, RUN, desk.tax.identity(), at=NOW))
    subject = permission.subject
    assert (subject.action, subject.grantor, subject.run) == (Action.TAKE_PART, "tax", RUN)
    assert permission.granted


def test_words_of_others_and_of_other_runs_are_left_out(desk: Desk) -> None:
    tax, stranger = desk.tax, Identity.generate()
    assert not desk.logged(
        takes_part(tax.participant_id, RUN, stranger, at=NOW),
        takes_part(tax.participant_id, RunId("another"), tax.identity(), at=NOW),
        takes_part(desk.bank.participant_id, RUN, desk.bank.identity(), at=NOW),
        takes_part(ParticipantId("nobody"), RUN, stranger, at=NOW),
        b"no document",
    )
