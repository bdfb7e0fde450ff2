"""Beside the gateway, runs and nodes are looked after, and it can be seen whether they are."""

from __future__ import annotations

import time
from contextlib import closing, nullcontext
from pathlib import Path
from typing import cast

import pytest

from coordinator.database import open_database
from coordinator.flower.superlink import SuperLink
from coordinator.home import BureauHome
from coordinator.runs import run_service
from coordinator.runs.run_service import RunService
from coordinator.settings import BureauSettings
from crypto.identifiers import ParticipantId, Role


class Link:
    """A SuperLink whose Control API may be beyond reach in a way that nobody thought of."""

    def __init__(self, *, broken: bool = False) -> None:
        self.broken, self.asked = broken, 0

    def control(self) -> nullcontext[Link]:
        if self.broken:
            raise MemoryError
        return nullcontext(self)

    def synchronise(self, _keys: object) -> bool:
        self.asked += 1
        raise RuntimeError("nobody thought of this")


@pytest.fixture
def home(tmp_path: Path) -> BureauHome:
    return BureauHome.create(
        tmp_path / "bureau",
        participant_id=ParticipantId("bureau"),
        role=Role.BUREAU,
        title="Bureau",
        address="https://127.0.0.1:1",
    )


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_service_is_alive_as_long_as_both_its_threads_are(
    broken: bool, home: BureauHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_service, "POLL_SECONDS", 0.01)
    link = Link(broken=broken)
    settings = BureauSettings.model_validate({})
    with closing(open_database(home)) as database:
        service = RunService(home, settings, database, cast("SuperLink", link))
        assert not service.is_alive()
        with service:
            ends_at = time.monotonic() + 20
            while link.asked < 3 and service.is_alive() and time.monotonic() < ends_at:
                time.sleep(0.01)
            assert service.is_alive() is not broken
            assert (link.asked >= 3) is not broken
        assert not service.is_alive()
