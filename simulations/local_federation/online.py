"""Nodes that answer score requests, each a process of its own, and what can be seen of them from outside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from crypto.errors import YurongError
from crypto.identifiers import EnterpriseId, ParticipantId, Role
from models.hosting.https.door import WayOut
from models.hosting.storage.database import SQLITE_FILE
from models.wire.online import Offer, OfferRequest
from participants.bank.client import BankClient
from participants.bank.score_request import Score
from simulations.local_federation.drawn import DrawnNodes, Settings, found_drawn_nodes
from simulations.local_federation.federation import LocalFederation, serving
from simulations.local_federation.founding import BUREAU
from simulations.local_federation.metrics import metrics_of, pools_are_full
from simulations.local_federation.waiting import until

_UP_SECONDS: Final = 90.0
_OFFER_SECONDS: Final = 5.0


@dataclass(slots=True)
class OnlineProcesses:
    """A bureau and departments that run, and homes of banks; the model was drawn, so its scores are known."""

    founded: DrawnNodes
    running: LocalFederation
    _asked: int = field(default=0)

    @property
    def departments(self) -> tuple[ParticipantId, ...]:
        """The model's departments, sorted."""
        return self.founded.drawn.departments

    @property
    def serving(self) -> tuple[ParticipantId, ...]:
        """Everybody who serves."""
        return (*self.departments, BUREAU)

    def unused(self, count: int) -> list[int]:
        """Rows of enterprises that nobody has asked about yet."""
        self._asked += count
        return list(range(self._asked - count, self._asked))

    def enterprise(self, row: int) -> EnterpriseId:
        """The enterprise of a row."""
        return self.founded.drawn.enterprise_ids[row]

    def client(self, number: int = 0, **settings: Any) -> BankClient:
        """A bank, in this process."""
        return BankClient.open(self.founded.drawn.homes[self.founded.drawn.banks[number]], **settings)

    def is_true(self, row: int, score: Score) -> bool:
        """Whether a score is that of this row's enterprise and those who answered."""
        return abs(score.log_odds_default - self.founded.drawn.log_odds(row, score.departments)) < 1e-9

    def restart(self, name: ParticipantId) -> None:
        """Start a node that was killed, and return when it is ready."""
        self.running.start([name])
        self.running.wait_until_ready([name])

    def is_up(self, name: ParticipantId) -> bool:
        """Whether the bureau's metric says that a department answers."""
        return metrics_of(self.running.nodes[BUREAU]).get(f'yurong_department_up{{department="{name}"}}') == 1.0

    def wait_until_up(self) -> None:
        """Return when the bureau offers all departments, and says in its metrics that they are up."""
        until(lambda: self.offered() == self.departments, "departments are offered", seconds=_UP_SECONDS)
        until(lambda: all(map(self.is_up, self.departments)), "departments are up", seconds=_UP_SECONDS)

    def wait_until_filled(self) -> None:
        """Return when every department's pools are full, so that they do not take the processor from anything."""
        for name in self.departments:
            node, banks = self.running.nodes[name], len(self.founded.drawn.banks)
            capacity = int(node.settings["obfuscator_capacity"])
            until(partial(pools_are_full, node, capacity, banks=banks), "pools are full", seconds=_UP_SECONDS)

    def offered(self) -> tuple[ParticipantId, ...]:
        """The departments that the bureau offers to the first bank at this moment; none if it does not say."""
        home = self.founded.home(self.founded.drawn.banks[0])
        message = OfferRequest(model_version=self.founded.drawn.version).encode()

        async def ask() -> bytes:
            bureau = WayOut(home).peer(BUREAU)
            try:
                return await bureau.post(
                    "/v1/offers", message, maximum_bytes=Offer.MAXIMUM_BYTES, timeout_seconds=_OFFER_SECONDS
                )
            finally:
                await bureau.close()

        try:
            return tuple(ParticipantId(name) for name in Offer.decode(uvloop.run(ask())).departments)
        except YurongError:
            return ()

    def counted(self, digest: bytes) -> list[int]:
        """How often the bureau and then each department has written down the request of this digest."""
        homes = [self.running.nodes[name].operator.home for name in (BUREAU, *self.departments)]
        return [_count(home, "SELECT count(*) FROM requests WHERE digest = ?", digest) for home in homes]

    def recorded(self) -> int:
        """How many requests all departments have on record."""
        homes = (self.running.nodes[name].operator.home for name in self.departments)
        return sum(_count(home, "SELECT count(*) FROM requests") for home in homes)


@contextmanager
def online_processes(
    directory: Path,
    *,
    departments: int = 4,
    banks: int = 2,
    enterprises: int = 1000,
    consenting: int | None = None,
    settings: Mapping[Role, Settings] | None = None,
) -> Iterator[OnlineProcesses]:
    """Found the nodes below `directory`, start them, and wait until all departments are up.

    consenting: so many enterprises, the first ones, have consented; all, if None.
    """
    founded = found_drawn_nodes(
        directory / "homes",
        departments=departments,
        banks=banks,
        enterprises=enterprises,
        consenting=consenting,
        settings=settings,
    )
    with serving(founded.nodes, directory) as running:
        processes = OnlineProcesses(founded, running)
        running.start(processes.serving)
        running.wait_until_ready(processes.serving)
        processes.wait_until_up()
        processes.wait_until_filled()
        yield processes


def _count(home: Path, question: str, *values: bytes) -> int:
    address = f"file:{home / SQLITE_FILE}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
        return int(connection.execute(question, values).fetchone()[0])
