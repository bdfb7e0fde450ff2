"""A bureau and departments that answer over TLS on the loopback, each in a thread, with a model that was drawn.

The code is the nodes' own from the sockets to the databases, but for the registry: the bureau is told its one model.
Certificates, pins, signatures, guards and rotations are real. A node can be stopped and started again. Departments
share their pools, which the banks' own keys fill.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

import numpy as np
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from coordinator.database import open_database
from coordinator.home import BureauHome
from coordinator.scores.fan_out import FanOut
from coordinator.scores.gateway import GatewayService, gateway_app
from coordinator.scores.meters import GatewayMeters
from coordinator.scores.request_log import RequestLog
from coordinator.scores.scoring import AsyncScoreGateway
from coordinator.transparency_log.service import Peers, log_of
from crypto.identifiers import EnterpriseId, ParticipantId, Role
from crypto.obfuscators import ObfuscatorPool
from models.enterprise_id import make_enterprise_ids
from models.hosting.https.door import Entrance
from models.hosting.https.server import serve
from models.wire.deposit import ConsentDeposit
from participants.department.database import open_database as open_department_database
from participants.department.log_service import LogService
from participants.department.meters import ScorerMeters
from participants.department.scorer import Scorer
from participants.department.service import MAXIMUM_BODY_BYTES, DepartmentService, department_app
from participants.home import Home
from simulations.drawn_model import draw_federation
from simulations.engines.ports import free_ports
from simulations.enterprise.given import give_consents
from simulations.founding import BUREAU
from simulations.local_log import EVIDENCE
from simulations.online import served_model
from simulations.online_rehearsal import LentPool

_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 20.0
_PROBE_SECONDS: Final = 5.0
"""All nodes share one process, and that a machine with others: none is down because it is slow."""


class ServedNode:
    """One HTTPS server in a thread, from its making to `stop`."""

    def __init__(self, app: ASGIApp, entrance: Entrance, port: int) -> None:
        self._stop, ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=serve,
            args=(app,),
            kwargs={
                "host": _HOST,
                "port": port,
                "context_factory": entrance.context,
                "changed": entrance.state,
                "on_ready": lambda _port: ready.set(),
                "stop": self._stop,
            },
            daemon=True,
        )
        self._thread.start()
        if not ready.wait(_START_SECONDS):
            raise TimeoutError("a node did not start")

    def stop(self) -> None:
        """Finish what is under way and close the port."""
        self._stop.set()
        self._thread.join()


class OnlineNodes:
    """A bureau, departments and homes of banks below `directory`. A context manager."""

    def __init__(
        self,
        directory: Path,
        *,
        departments: int = 3,
        banks: int = 2,
        enterprises: int = 100,
        pool_capacity: int = 32,
        deadline_seconds: float = 10.0,
    ) -> None:
        rng = np.random.default_rng(11)
        names = [f"department-{i:02d}" for i in range(1, departments + 1)]
        names += [f"bank-{i:02d}" for i in range(1, banks + 1)] + [BUREAU]
        self._ports = dict(zip(names, free_ports(len(names)), strict=True))
        addresses = {name: f"https://{_HOST}:{port}" for name, port in self._ports.items()}
        self.drawn = draw_federation(
            directory,
            departments=departments,
            banks=banks,
            enterprise_ids=make_enterprise_ids(rng, enterprises),
            rng=rng,
            addresses=addresses,
        )
        self.bureau = BureauHome.open(self.drawn.bureau)
        give_consents(self.drawn, self.drawn.enterprise_ids)
        self.log = RequestLog(open_database(self.bureau))
        keys = [self.home(bank).bank_keys().paillier for bank in self.drawn.banks]
        self._pools = {key.public: ObfuscatorPool(key, capacity=pool_capacity) for key in keys}
        self._deadline_seconds = deadline_seconds
        self._up: Callable[[], Mapping[ParticipantId, int]] = dict
        self._nodes: dict[ParticipantId, ServedNode] = {}

    def __enter__(self) -> Self:
        for name in (*self.drawn.departments, BUREAU):
            self.start(name)
        self.wait_until_up(*self.drawn.departments)
        return self

    def __exit__(self, *_: object) -> None:
        for name in tuple(self._nodes):
            self.stop(name)
        for pool in self._pools.values():
            pool.stop()

    def home(self, name: ParticipantId) -> Home:
        """A participant's home."""
        return Home.open(self.drawn.homes[name])

    def enterprise(self, row: int) -> EnterpriseId:
        """The enterprise of a row."""
        return self.drawn.enterprise_ids[row]

    def start(self, name: ParticipantId) -> None:
        """Start a node that is not running."""
        app, entrance = self._bureau() if name == BUREAU else self._department(name)
        self._nodes[name] = ServedNode(app, entrance, self._ports[name])

    def stop(self, name: ParticipantId) -> None:
        """Stop a node."""
        self._nodes.pop(name).stop()

    def wait_until_up(self, *departments: ParticipantId) -> None:
        """Return when the bureau offers these departments and no others."""
        until = time.monotonic() + _START_SECONDS
        while set(self._up()) != set(departments):
            if time.monotonic() > until:
                raise TimeoutError("departments did not come or go")
            time.sleep(0.02)

    def _department(self, name: ParticipantId) -> tuple[ASGIApp, Entrance]:
        home = self.home(name)
        scorer = Scorer(home, clock=home.clock, evidence=EVIDENCE, new_pool=lambda key: LentPool(self._pools[key]))
        service = DepartmentService(
            scorer, bureau=BUREAU, meters=ScorerMeters(CollectorRegistry(), scorer.obfuscators.levels)
        )
        log = LogService(scorer.evidence, open_department_database(home), me=name, bureau=BUREAU, clock=home.clock)

        @asynccontextmanager
        async def background(_app: FastAPI) -> AsyncIterator[None]:
            yield
            service.close()
            scorer.close()

        entrance = Entrance(home, roles={Role.BUREAU})
        app = department_app(service, log, lifespan=background)
        return entrance.guard(app, maximum_body_bytes=MAXIMUM_BODY_BYTES), entrance

    def _bureau(self) -> tuple[ASGIApp, Entrance]:
        home, meters = BureauHome.open(self.bureau.directory), GatewayMeters(CollectorRegistry())
        peers = Peers(home, traffic=meters.with_departments)
        log = log_of(home, open_database(home), peers, deadline_seconds=self._deadline_seconds)
        fan_out = FanOut(
            peers,
            on_change=meters.department_is,
            answered=meters.answered,
            behind=log.scores.behind,
            deadline_seconds=self._deadline_seconds,
            offer_seconds=_PROBE_SECONDS,
            probe_seconds=_PROBE_SECONDS,
        )
        self._up = lambda: fan_out.probe.known_up(model)
        model = served_model(self.home(self.drawn.banks[0]), self.drawn.version)
        gateway = AsyncScoreGateway([model], fan_out, log.scores, home.pins.document)
        service = GatewayService(gateway, record=self.log, meters=meters)

        @asynccontextmanager
        async def background(_app: FastAPI) -> AsyncIterator[None]:
            async with log.serving():
                probing = asyncio.create_task(fan_out.probe.run(lambda: gateway.desk.models))
                yield
                probing.cancel()
                await asyncio.gather(probing, return_exceptions=True)
                await service.close()
                await fan_out.close()

        entrance = Entrance(home, roles={Role.BANK})
        app = gateway_app(service, more=log.desk.operations(), background=background)
        return entrance.guard(app, maximum_body_bytes=ConsentDeposit.MAXIMUM_BYTES), entrance
