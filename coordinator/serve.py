"""The bureau's node, running: the gateway in this process; SuperLink, its executor and the edge in processes beside it.

| part      | for whom                | what it may do                                                            |
|-----------|-------------------------|---------------------------------------------------------------------------|
| gateway   | banks                   | offer, relay, multiply: it holds no key that opens anything               |
| log       | banks and departments   | appends, shows, has it cosigned: it can change nothing that was seen      |
| edge      | departments and banks   | Flower's fleet calls, with each one's own node key                        |
| SuperLink | this machine alone      | carries the messages of runs                                              |
| runs      | nobody                  | starts and takes up the runs that stand in the database                   |
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI

from coordinator.consents import CONSENT_PATHS
from coordinator.database import open_database
from coordinator.flower.edge_program import edge_service
from coordinator.flower.superlink import SuperLink
from coordinator.home import BureauHome
from coordinator.registry import ModelRegistry
from coordinator.runs.run_directory import BUREAU_VARIABLE
from coordinator.runs.run_service import RunService
from coordinator.scores.byte_count import CountedBytes
from coordinator.scores.fair_queue import FairQueue
from coordinator.scores.fan_out import FanOut
from coordinator.scores.gateway import GatewayService, gateway_app
from coordinator.scores.meters import GatewayMeters
from coordinator.scores.request_log import RequestLog
from coordinator.scores.scoring import AsyncScoreGateway
from coordinator.settings import BureauSettings
from coordinator.transparency_log.bureau_log import open_log
from coordinator.transparency_log.service import Peers, log_of
from crypto.identifiers import ParticipantId, Role
from models.hosting.https.door import Entrance
from models.hosting.https.server import serve
from models.hosting.operation.expiry import CertificateExpiry
from models.hosting.operation.metrics import HttpMeters, Metered
from models.hosting.operation.process import NodeProcess
from models.hosting.storage.database import Database
from models.wire.deposit import ConsentDeposit

ROUTES: Final = ("/v1/offers", "/v1/scores", "/v1/receipts", *CONSENT_PATHS)
MAXIMUM_BODY_BYTES: Final = ConsentDeposit.MAXIMUM_BYTES
"""For the guard: no request of a bank is larger."""
_REGISTRY_SECONDS: Final = 1.0
_log = logging.getLogger("yurong.bureau")


def serve_bureau(home: BureauHome, settings: BureauSettings) -> None:
    """Serve until SIGTERM. Raises `SchemaOutdated`, `LogMissing`, `LogDamaged`, `ListenRefused` and `TlsUnusable`."""
    database = open_database(home)
    open_log(home, database).close()
    gateway = Gateway(home, settings, database)
    checks = {"database": database.is_current, "models": gateway.is_current}
    with NodeProcess(settings, checks=checks) as process:
        process.registry.register(CertificateExpiry(home))
        looked_after: dict[str, Callable[[], bool]] = {}
        if settings.training:
            runs = conduct_runs(home, settings, database, process)
            process.keep(runs)
            looked_after["runs"] = runs.is_alive
        entrance = Entrance(home, roles={Role.BANK})
        meters = GatewayMeters(process.registry)
        guarded = entrance.guard(gateway.app(meters), maximum_body_bytes=MAXIMUM_BODY_BYTES)
        counted = CountedBytes(guarded, meters.with_banks)
        app = Metered(counted, HttpMeters(process.registry), service="gateway", routes=ROUTES)
        process.open_operations(looked_after)
        serve(
            app,
            host=settings.listen_host,
            port=settings.listen_port,
            context_factory=entrance.context,
            changed=entrance.state,
            limits=process.limits,
        )


class Gateway:
    """The gateway and what goes on behind it: the log, probing departments, following the registry of models."""

    def __init__(self, home: BureauHome, settings: BureauSettings, database: Database) -> None:
        self._home, self._settings, self._database = home, settings, database
        self._registry = ModelRegistry(database, clock=home.clock)
        self._current = False

    def is_current(self) -> bool:
        """Whether the registry could be read the last time."""
        return self._current

    def app(self, meters: GatewayMeters) -> FastAPI:
        """The application. It opens the log when it starts, and closes it when it ends."""
        peers = Peers(self._home, traffic=meters.with_departments)
        log = log_of(self._home, self._database, peers)

        def changed(department: ParticipantId, up: bool) -> None:
            meters.department_is(department, up)
            _log.warning("department %s", "up" if up else "down", extra={"participant": department})

        fan_out = FanOut(
            peers,
            on_change=changed,
            answered=meters.answered,
            behind=log.scores.behind,
            deadline_seconds=self._settings.answer_seconds,
        )
        gateway = AsyncScoreGateway([], fan_out, log.scores, self._home.pins.document)
        queue = FairQueue(in_flight=self._settings.scores_at_once, waiting_per_bank=self._settings.scores_waiting)
        requests = RequestLog(self._database, clock=self._home.clock)
        service = GatewayService(gateway, record=requests, meters=meters, queue=queue)

        @asynccontextmanager
        async def background(_app: FastAPI) -> AsyncIterator[None]:
            await self._read(gateway, meters)
            async with log.serving():
                tasks = [
                    asyncio.create_task(self._follow(gateway, meters)),
                    asyncio.create_task(fan_out.probe.run(lambda: gateway.desk.models)),
                ]
                try:
                    yield
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                    await service.close()
                    await fan_out.close()
            await peers.close()

        return gateway_app(service, more=log.desk.operations(), background=background)

    async def _follow(self, gateway: AsyncScoreGateway, meters: GatewayMeters) -> None:
        while True:
            await asyncio.sleep(_REGISTRY_SECONDS)
            await self._read(gateway, meters)

    async def _read(self, gateway: AsyncScoreGateway, meters: GatewayMeters) -> None:
        """Take up what the operator has approved or retired. What cannot be read leaves things as they are."""
        try:
            served = await asyncio.to_thread(self._registry.served)
        except Exception as error:  # noqa: BLE001 - whatever it was, the next look may tell
            self._current = False
            _log.error("registry unreadable", extra={"error": error})
            return
        self._current = True
        if served != list(gateway.desk.models):
            gateway.desk.serve(served)
            meters.show(name for model in served for name in model.departments)


def conduct_runs(home: BureauHome, settings: BureauSettings, database: Database, process: NodeProcess) -> RunService:
    """Start Flower's side; what is returned conducts the runs that stand in the database."""
    link = SuperLink.prepare(home.directory / "superlink", port=settings.superlink_port)
    directory = home.directory.resolve()
    edge = edge_service(
        directory,
        host=settings.edge_host,
        port=settings.edge_port,
        link=link.address,
        link_certificate=link.certificate,
    )
    process.look_after([*link.services(environment={BUREAU_VARIABLE: str(directory)}), edge])
    return RunService(home, settings, database, link)
