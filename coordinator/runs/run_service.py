"""What goes on beside the gateway while a bureau trains: Flower knows who is admitted, and runs are kept going."""

from __future__ import annotations

import threading
from collections.abc import Collection
from functools import partial
from types import TracebackType
from typing import Final, Self

from coordinator.flower.node_list import NodeList
from coordinator.flower.refused_nodes import RefusedNodes
from coordinator.flower.superlink import SuperLink
from coordinator.home import BureauHome
from coordinator.permissions import took_part
from coordinator.registry import ModelRegistry
from coordinator.runs.keeper import RunKeeper
from coordinator.runs.run_directory import ConductSettings
from coordinator.runs.run_records import RunRecords
from coordinator.settings import BureauSettings
from crypto.identifiers import ParticipantId, Role
from models.hosting.storage.database import Database

POLL_SECONDS: Final = 1.0
_PARTICIPANTS: Final = frozenset({Role.DEPARTMENT, Role.BANK})


class RunService:
    """A context: a thread that looks after the runs in the database, and one that registers who is admitted."""

    def __init__(self, home: BureauHome, settings: BureauSettings, database: Database, link: SuperLink) -> None:
        self._home, self._database, self._link = home, database, link
        self._conduct = ConductSettings(
            deadline_seconds=settings.exchange_seconds,
            patience_seconds=settings.exchange_seconds,
            approval_seconds=settings.approval_seconds,
            score_applicants=False,
        )
        self._restarts = settings.attempts
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_runs, name="runs", daemon=True),
            threading.Thread(target=self._keep_nodes, name="nodes", daemon=True),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def is_alive(self) -> bool:
        """Whether runs and nodes are looked after; for the node's readiness."""
        return all(thread.is_alive() for thread in self._threads)

    def _keep_runs(self) -> None:
        with self._link.control() as control:
            keeper = RunKeeper(
                RunRecords(self._database, clock=self._home.clock),
                control,
                ModelRegistry(self._database, clock=self._home.clock),
                bureau=self._home.directory.resolve(),
                settings=self._conduct,
                restarts=self._restarts,
                take_part=partial(took_part, self._home, self._database),
                clock=self._home.clock,
            )
            keeper.serve(self._stop, poll_seconds=POLL_SECONDS)

    def _keep_nodes(self) -> None:
        with self._link.control() as control:
            nodes = NodeList(control, self._node_keys, report=RefusedNodes(self._home.directory).write)
            nodes.serve(self._stop, poll_seconds=POLL_SECONDS)

    def _node_keys(self) -> dict[ParticipantId, Collection[bytes]]:
        """The keys of the nodes of everybody who is admitted."""
        return {
            name: frozenset(one.node_key for one in documents if one.node_key)
            for name, documents in self._home.pins.documents().items()
            if any(one.role in _PARTICIPANTS for one in documents)
        }
