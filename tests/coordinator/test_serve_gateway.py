"""The gateway's background: what cannot be read is said, and ends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from coordinator import serve
from coordinator.database import open_database
from coordinator.errors import LogMissing
from coordinator.home import BureauHome
from coordinator.registry import ModelRegistry
from coordinator.scores.fan_out import FanOut
from coordinator.scores.gateway import GatewayService
from coordinator.scores.meters import GatewayMeters
from coordinator.scores.scoring import ServedModel
from coordinator.settings import BureauSettings
from coordinator.transparency_log.bureau_log import create_log
from coordinator.transparency_log.service import Peers
from crypto.identifiers import ModelVersion, ParticipantId, Role
from models.hosting.storage.database import Database

BUREAU = ParticipantId("bureau")


class Registry(ModelRegistry):
    """A registry whose disk can go away in a way that nobody thought of."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.broken = False
        self.given: list[ServedModel] = []

    def served(self) -> list[ServedModel]:
        if self.broken:
            raise OSError("the disk is gone")
        return self.given


@pytest.fixture
def home(tmp_path: Path) -> BureauHome:
    made = BureauHome.create(
        tmp_path / "bureau", participant_id=BUREAU, role=Role.BUREAU, title="Bureau", address="https://127.0.0.1:1"
    )
    create_log(made, open_database(made)).close()
    return made


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 20))


async def until(found: Callable[[], bool]) -> None:
    while not found():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def model(*departments: str) -> ServedModel:
    names = tuple(map(ParticipantId, departments))
    return ServedModel(version=ModelVersion("0" * 32), departments=names, banks={})


def test_a_registry_that_cannot_be_read_is_told_and_read_again_when_it_is_back(
    home: BureauHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_REGISTRY_SECONDS", 0.01)
    database, prometheus = open_database(home), CollectorRegistry()
    registry = Registry(database)
    monkeypatch.setattr(serve, "ModelRegistry", lambda *_, **__: registry)
    gateway = serve.Gateway(home, BureauSettings.model_validate({}), database)
    app = gateway.app(GatewayMeters(prometheus))

    async def scenario() -> None:
        async with app.router.lifespan_context(app):
            assert gateway.is_current()
            registry.broken = True
            await until(lambda: not gateway.is_current())
            registry.broken, registry.given = False, [model("courts", "tax")]
            await until(gateway.is_current)
            # Nobody listens there: both are down as soon as they were asked.
            await until(lambda: prometheus.get_sample_value("yurong_department_up", {"department": "tax"}) == 0)
            registry.given = [model("courts")]
            await until(lambda: prometheus.get_sample_value("yurong_department_up", {"department": "tax"}) is None)
            assert prometheus.get_sample_value("yurong_department_up", {"department": "courts"}) == 0

    run(scenario())


def test_the_gateway_ends_in_order_even_if_what_goes_on_behind_it_has_failed(
    home: BureauHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[object] = []
    failed = asyncio.Event()

    async def fails(*_: object) -> None:
        failed.set()
        raise RuntimeError("nobody thought of this")

    async def close(self: object) -> None:
        closed.append(type(self))

    monkeypatch.setattr(serve.Gateway, "_follow", fails)
    monkeypatch.setattr(GatewayService, "close", close)
    monkeypatch.setattr(FanOut, "close", close)
    monkeypatch.setattr(Peers, "close", close)
    database = open_database(home)
    gateway = serve.Gateway(home, BureauSettings.model_validate({}), database)
    app = gateway.app(GatewayMeters(CollectorRegistry()))

    async def scenario() -> None:
        async with app.router.lifespan_context(app):
            await failed.wait()
        assert closed == [GatewayService, FanOut, Peers]

    run(scenario())


def test_a_bureau_without_a_log_is_not_served(tmp_path: Path) -> None:
    home = BureauHome.create(tmp_path / "other", participant_id=BUREAU, role=Role.BUREAU, title="Bureau")
    with pytest.raises(LogMissing) as refused:
        serve.serve_bureau(home, BureauSettings.model_validate({}))
    assert refused.value.advice == "yurong bureau log create"
