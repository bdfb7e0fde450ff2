"""Which departments are up: asked every second, and again before an offer if the last word is older than 250 ms.

Any answer counts as a word, that to a score request as well: a busy gateway asks hardly anybody, and a department that
is slow to answer a probe because it has so many requests to answer is not taken for one that is down. A department that
cannot be reached is down, and in no offer, until it answers a probe; only the probes of the background ask one that is
down, so that a department that hangs costs one offer 300 ms and the next ones nothing. One that did not answer a score
request in time is asked before the next offer: a bank with an empty pool there does not take it from the others.

A probe tells the serial of the document whose keys the department uses, for the offer, and for which models it is
ready.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from coordinator.scores.scoring import ServedModel
from crypto.errors import YurongError
from crypto.identifiers import ModelVersion, ParticipantId

PERIOD_SECONDS: Final = 1.0
LONGEST_PERIODS: Final = 5
"""In so many periods even a department that is heard of all the time is probed once, for its serial."""
TIMEOUT_SECONDS: Final = 0.8
"""Of a probe in the background."""
FRESH_SECONDS: Final = 0.25
OFFER_SECONDS: Final = 0.3
"""So long a probe may take that an offer waits for."""

_NEVER: Final = float("-inf")
_LOG: Final = logging.getLogger("yurong.bureau")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a department says of itself: the serial of its document in use; whether it answers for a model."""

    serial: int
    ready: bool


class Ask(Protocol):
    """Asks a department whether it is ready; raises a `YurongError` if it does not say."""

    def __call__(self, department: ParticipantId, version: ModelVersion) -> Awaitable[Readiness]:
        """What the department says."""
        ...


@dataclass(slots=True)
class _Standing:
    """What is known of one department. `heard_at`, `probed_at`: monotonic seconds of its last word, and to a probe."""

    up: bool = False
    heard_at: float = _NEVER
    probed_at: float = _NEVER
    serials: dict[ModelVersion, int] = field(default_factory=dict)  # of the models that it is ready for
    asking: dict[ModelVersion, asyncio.Task[None]] = field(default_factory=dict)


class DepartmentProbe:
    """Knows who is up. `on_change` is told of every department that comes or goes, with its new state."""

    def __init__(
        self,
        ask: Ask,
        *,
        on_change: Callable[[ParticipantId, bool], None],
        monotonic: Callable[[], float] = time.monotonic,
        period_seconds: float = PERIOD_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        fresh_seconds: float = FRESH_SECONDS,
        offer_seconds: float = OFFER_SECONDS,
    ) -> None:
        self._ask = ask
        self._on_change = on_change
        self._monotonic = monotonic
        self._period_seconds = period_seconds
        self._timeout_seconds = timeout_seconds
        self._fresh_seconds = fresh_seconds
        self._offer_seconds = offer_seconds
        self._standings: dict[ParticipantId, _Standing] = {}

    def heard(self, department: ParticipantId) -> None:
        """The department said something just now. That alone does not bring back one that is down."""
        standing = self._standings.get(department)
        if standing is not None and standing.up:
            standing.heard_at = self._monotonic()

    def lost(self, department: ParticipantId) -> None:
        """The department did not answer something: it is down until it answers a probe."""
        standing = self._standing(department)
        standing.serials.clear()
        self._set(department, standing, up=False)

    def doubt(self, department: ParticipantId) -> None:
        """Something speaks against it, such as an answer that it cannot answer now: the next offer asks it first."""
        standing = self._standing(department)
        standing.heard_at = min(standing.heard_at, self._monotonic() - self._period_seconds)

    async def up(self, model: ServedModel) -> dict[ParticipantId, int]:
        """The departments that answer for a model at this moment, with their serials, within `offer_seconds`."""
        stale = [name for name in model.departments if self._is_stale(name, model.version)]
        await self._probe(((name, model.version) for name in stale), self._offer_seconds)
        return self.known_up(model)

    def known_up(self, model: ServedModel) -> dict[ParticipantId, int]:
        """The departments that answered for a model when they were last heard of, with their serials."""
        serials = {name: self._standing(name).serials.get(model.version) for name in model.departments}
        return {name: serial for name, serial in serials.items() if serial is not None}

    async def run(self, models: Callable[[], Iterable[ServedModel]]) -> None:
        """Probe every department of every model, period after period, until this is cancelled."""
        while True:
            next_at = self._monotonic() + self._period_seconds
            await self.round(models())
            await asyncio.sleep(max(0.0, next_at - self._monotonic()))

    async def round(self, models: Iterable[ServedModel]) -> None:
        """Probe the departments of these models, all at the same time, unless they are busy answering."""
        pairs = [(name, model.version) for model in models for name in model.departments]
        pairs = [(name, version) for name, version in pairs if not self._is_busy(name, version)]
        await self._probe(pairs, self._timeout_seconds)

    def _is_stale(self, department: ParticipantId, version: ModelVersion) -> bool:
        standing = self._standing(department)
        if not standing.up:
            return standing.heard_at == _NEVER  # never asked; else the background asks
        return version not in standing.serials or self._monotonic() - standing.heard_at > self._fresh_seconds

    def _is_busy(self, department: ParticipantId, version: ModelVersion) -> bool:
        standing, now = self._standing(department), self._monotonic()
        heard = now - standing.heard_at < self._period_seconds / 2
        probed = now - standing.probed_at < LONGEST_PERIODS * self._period_seconds
        return standing.up and version in standing.serials and heard and probed

    async def _probe(self, pairs: Iterable[tuple[ParticipantId, ModelVersion]], seconds: float) -> None:
        """Ask all at once. A probe that is under way already is waited for and not made twice."""
        began = self._monotonic()
        tasks = {self._asking(name, version): name for name, version in pairs}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
            if self._standing(tasks[task]).heard_at < began:
                self.lost(tasks[task])

    def _asking(self, department: ParticipantId, version: ModelVersion) -> asyncio.Task[None]:
        asking = self._standing(department).asking
        task = asking.get(version)
        if task is None:
            task = asking[version] = asyncio.create_task(self._ask_one(department, version))
            task.add_done_callback(lambda done: asking.pop(version) if asking.get(version) is done else None)
        return task

    async def _ask_one(self, department: ParticipantId, version: ModelVersion) -> None:
        standing = self._standing(department)
        try:
            said = await self._ask(department, version)
        except Exception as error:  # noqa: BLE001 - whatever it was, the department gave no word
            if not isinstance(error, YurongError):
                _LOG.error("probe failed", extra={"participant": department, "error": type(error).__name__})
            self.lost(department)
            return
        standing.heard_at = standing.probed_at = self._monotonic()
        if said.ready:
            standing.serials[version] = said.serial
        else:
            standing.serials.pop(version, None)
        self._set(department, standing, up=True)

    def _standing(self, department: ParticipantId) -> _Standing:
        return self._standings.setdefault(department, _Standing())

    def _set(self, department: ParticipantId, standing: _Standing, *, up: bool) -> None:
        if standing.up is not up or standing.heard_at == _NEVER:
            standing.up = up
            standing.heard_at = self._monotonic()
            self._on_change(department, up)
