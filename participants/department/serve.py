"""A department's node, running: score requests in this process, its part in training in two processes beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from crypto.identifiers import Role, parse_participant_id
from models.hosting.https.door import Entrance
from models.hosting.https.server import serve
from models.hosting.operation.expiry import CertificateExpiry
from models.hosting.operation.metrics import HttpMeters, Metered
from models.hosting.operation.process import NodeProcess
from models.log.names import origin_of
from participants.department.database import open_database
from participants.department.evidence import Evidence
from participants.department.log.status import is_usable
from participants.department.log_service import LogService
from participants.department.meters import ScorerMeters
from participants.department.obfuscation import PoolSettings
from participants.department.partials import require_partials
from participants.department.scorer import Scorer
from participants.department.service import MAXIMUM_BODY_BYTES, PATHS, DepartmentService, department_app
from participants.department.settings import DepartmentSettings
from participants.department.unfinished_import import open_records
from participants.flower.training import training_services
from participants.home import Home


def serve_department(home: Home, settings: DepartmentSettings) -> None:
    """Serve until SIGTERM.

    Raises `SchemaOutdated`, `ListenRefused`, `TlsUnusable`, `UntrustedKey` if the bureau is not pinned, and
    `AnswersForgotten` if the database is not the one that this home answered from.
    """
    database = open_database(home)
    require_partials(home, database)
    bureau = parse_participant_id(settings.bureau)
    home.pins.document(bureau)
    store = open_records(home)
    checks: dict[str, Callable[[], bool]] = {
        "database": database.is_current,
        "bureau-pinned": lambda: bureau in home.pins.names(),
        "data": lambda: not store.is_empty,
        "log": partial(is_usable, database, origin_of(bureau)),
    }
    pools = PoolSettings(
        capacity=settings.obfuscator_capacity,
        refill_below=settings.obfuscator_low,
        idle_seconds=settings.obfuscator_idle_seconds,
    )
    evidence = partial(
        Evidence.of, bureau=bureau, relying_party=settings.relying_party(), quorum=settings.witness_quorum or None
    )
    with (
        Scorer(
            home,
            clock=home.clock,
            evidence=evidence,
            new_pool=pools,
            minimum_departments=settings.minimum_departments,
        ) as scorer,
        NodeProcess(settings, checks=checks) as process,
    ):
        process.registry.register(CertificateExpiry(home))
        meters = ScorerMeters(process.registry, scorer.obfuscators.levels)
        service = DepartmentService(scorer, bureau=bureau, meters=meters, threads=settings.scoring_threads)
        log = LogService(scorer.evidence, database, me=home.participant_id, bureau=bureau, clock=home.clock)
        if settings.fleet_address:
            process.look_after(training_services(home.directory, **settings.training()))
        process.open_operations(service.checks())

        @asynccontextmanager
        async def until_the_end(_app: FastAPI) -> AsyncIterator[None]:
            yield
            service.close()

        entrance = Entrance(home, roles={Role.BUREAU})
        guarded = entrance.guard(
            department_app(service, log, lifespan=until_the_end), maximum_body_bytes=MAXIMUM_BODY_BYTES
        )
        serve(
            Metered(guarded, HttpMeters(process.registry), service="department", routes=PATHS),
            host=settings.listen_host,
            port=settings.listen_port,
            context_factory=entrance.context,
            changed=entrance.state,
            limits=process.limits,
        )
