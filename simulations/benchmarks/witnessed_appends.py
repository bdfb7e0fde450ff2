"""Appending to the log with the cosignatures of a majority: `yurong bench log`.

The bureau's sequencer and the departments' own witnesses, each with a database of its own, in one process: what a
network takes comes on top, once for all that wait for the same round.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from coordinator.database import open_database as open_bureau_database
from coordinator.home import BureauHome
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.service import LogService as BureauLog
from coordinator.transparency_log.service import log_of
from crypto.identifiers import ParticipantId
from models.enterprise_id import make_enterprise_ids
from models.hosting.https.peer import Peer
from models.wire.log_entry import TAG_BYTES, EntryKind, LogEntry
from participants.department.database import open_database
from participants.department.log_service import WITNESS_PATH, LogService
from participants.home import Home
from simulations.drawn_model import DrawnFederation, draw_federation
from simulations.errors import CommandFailed
from simulations.founding import BUREAU
from simulations.local_log import EVIDENCE

AT_ONCE: Final = 64
APPENDS: Final = 2_000
ONE_BY_ONE: Final = 50


class WitnessHere:
    """A department's witness as the bureau calls it, without a network between them."""

    def __init__(self, home: Home) -> None:
        database = open_database(home)
        self._service = LogService(
            EVIDENCE(home, database), database, me=home.participant_id, bureau=BUREAU, clock=home.clock
        )

    async def post(self, path: str, body: bytes, *, maximum_bytes: int, timeout_seconds: float) -> bytes:  # noqa: ARG002
        """As `models.hosting.https.peer.Peer`."""
        if path != WITNESS_PATH:
            raise CommandFailed("a witness", 1, path)
        return await self._service.witness(BUREAU, body)


def measure_appends(departments: int) -> dict[str, Any]:
    """Appends a second, many at once and one after the other, each with a majority's cosignatures."""
    rng = np.random.default_rng(3)
    with tempfile.TemporaryDirectory(prefix="yurong-bench-") as directory:
        drawn = draw_federation(
            Path(directory), departments=departments, enterprise_ids=make_enterprise_ids(rng, 3), rng=rng
        )
        return asyncio.run(_appends(drawn))


async def _appends(drawn: DrawnFederation) -> dict[str, Any]:
    witnesses = {name: WitnessHere(Home.open(drawn.homes[name])) for name in drawn.departments}
    bureau = BureauHome.open(drawn.bureau)
    log = log_of(bureau, open_bureau_database(bureau), lambda name: _peer(witnesses, name), deadline_seconds=30.0)
    async with log.serving():
        await _append(log)  # whoever has seen nothing is shown all there is
        alone = await _rate(log, ONE_BY_ONE, at_once=1)
        many = await _rate(log, APPENDS, at_once=AT_ONCE)
    return {"appends_per_second": many, "appends_at_once": AT_ONCE, "appends_per_second_one_by_one": alone}


async def _rate(log: BureauLog, appends: int, *, at_once: int) -> float:
    left = iter(range(appends))

    async def worker() -> None:
        for _ in left:
            await _append(log)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    return appends / (time.perf_counter() - began)


async def _append(log: BureauLog) -> None:
    entry = LogEntry(kind=EntryKind.REQUEST, digest=secrets.token_bytes(32), tag=secrets.token_bytes(TAG_BYTES))
    placed = await log.sequencer.append([Logged(entry)])
    await log.witnesses.cosign(placed.size)


def _peer(witnesses: Mapping[ParticipantId, WitnessHere], name: ParticipantId) -> Peer:
    return cast(Peer, witnesses[name])
