"""A small drawn federation to try online scoring with: quick pools, a clock that is set by hand, unused enterprises."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.obfuscators import ObfuscatorPool
from crypto.paillier import BankPaillierKey, Obfuscator, PaillierPublicKey
from models.enterprise_id import make_enterprise_ids
from models.wire.online import Offer, RelayedRequest, ScoreRequest
from models.wire.score_statement import SignedStatement, tree_of_boxes
from participants.department.database import open_database
from participants.department.scorer import Scorer
from participants.home import Home
from simulations.drawn_model import draw_federation
from simulations.engines.local_grid import Recorder
from simulations.enterprise.willing import WillingConsents, WillingEnterprises
from simulations.local_log import EVIDENCE, LocalLog
from simulations.online import OnlineFederation


class SetClock:
    """A clock that stands still until it is set."""

    def __init__(self, seconds: float = 1_800_000_000.0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        """Seconds since 1970."""
        return self.seconds


class LentPool:
    """A pool that outlives the scorers that take from it."""

    def __init__(self, pool: ObfuscatorPool) -> None:
        self._pool = pool

    def __len__(self) -> int:
        return len(self._pool)

    def take(self, *, timeout_seconds: float = 30.0) -> Obfuscator:
        """One of the pool's."""
        return self._pool.take(timeout_seconds=timeout_seconds)

    def stop(self) -> None:
        """Leave the pool as it is."""


class OnlineRehearsal:
    """Four departments and two banks below `directory`. A context manager."""

    def __init__(self, directory: Path, *, enterprises: int = 400) -> None:
        rng = np.random.default_rng(7)
        self.drawn = draw_federation(
            directory, departments=4, banks=2, enterprise_ids=make_enterprise_ids(rng, enterprises), rng=rng
        )
        self.clock = SetClock()
        self.log = LocalLog.of(self.drawn.bureau, clock=self.clock)
        self._pools: dict[PaillierPublicKey, ObfuscatorPool] = {}
        self.keys: dict[ParticipantId, BankPaillierKey] = {
            bank: self.home(bank).bank_keys().paillier for bank in self.drawn.banks
        }
        self._pools |= {key.public: ObfuscatorPool(key, capacity=16) for key in self.keys.values()}
        self._next = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.stop()

    @property
    def bank(self) -> ParticipantId:
        """The bank that asks."""
        return self.drawn.banks[0]

    @property
    def key(self) -> BankPaillierKey:
        """That bank's key."""
        return self.keys[self.bank]

    def home(self, name: ParticipantId) -> Home:
        """A participant's home."""
        return Home.open(self.drawn.homes[name], clock=self.clock)

    def pool(self, key: PaillierPublicKey) -> LentPool:
        """Obfuscators of a bank's key."""
        if key not in self._pools:
            self._pools[key] = ObfuscatorPool(key, capacity=4)
        return LentPool(self._pools[key])

    def fill(self) -> None:
        """Wait until every bank's pool is full."""
        for pool in self._pools.values():
            pool.wait_until_full()

    def unused(self) -> int:
        """The row of an enterprise that nobody has asked about."""
        self._next += 1
        return self._next - 1

    def enterprise(self, row: int) -> EnterpriseId:
        """The enterprise of a row."""
        return self.drawn.enterprise_ids[row]

    def online(self, *, bank: ParticipantId | None = None, recorder: Recorder | None = None) -> OnlineFederation:
        """Everybody, opened anew: what they remember is on disk."""
        return OnlineFederation(
            self.drawn.homes,
            self.log,
            bank or self.bank,
            self.drawn.version,
            recorder=recorder,
            clock=self.clock,
            new_pool=self.pool,
        )

    def scorer(self, department: ParticipantId) -> Scorer:
        """One department."""
        return Scorer(self.home(department), clock=self.clock, evidence=EVIDENCE, new_pool=self.pool)

    @cached_property
    def enterprises(self) -> WillingEnterprises:
        """Whoever is asked about consents."""
        homes = {name: self.home(name) for name in self.drawn.departments}
        stores = {name: EVIDENCE(home, open_database(home)).consents for name, home in homes.items()}
        return WillingEnterprises(self.log, stores, homes[self.drawn.departments[0]], clock=self.clock)

    def consents(self, bank: ParticipantId | None = None) -> WillingConsents:
        """What a bank asks under."""
        return WillingConsents(self.enterprises, bank or self.bank)

    def exchange_keys(self, name: ParticipantId, *parts: str) -> None:
        """Have a participant make new keys, and everybody else pin them. It does not use them yet."""
        document = self.home(name).prepare_rotation(parts)
        for other in self.drawn.homes.keys() - {name}:
            self.home(other).pins.pin(document)
        self.log.home.pins.pin(document)

    def offer(self, *without: ParticipantId) -> Offer:
        """What the bureau offers when some are down."""
        up = tuple(name for name in self.drawn.departments if name not in without)
        serials = tuple(self.home(name).serial for name in up)
        return Offer(departments=up, serials=serials, missing=tuple(sorted(without)))

    def relayed(self, request: ScoreRequest, department: ParticipantId) -> RelayedRequest:
        """The request as the bureau gives it to one department, once it is in the log."""
        statement = SignedStatement.read(request.document).claimed
        place = statement.departments(self.drawn.departments).index(department)
        path = tree_of_boxes(request.boxes).paths[place]
        shown = self.log.shown(request.document, statement.use_tag)
        return RelayedRequest(document=request.document, box=request.boxes[place], path=path, **shown)
