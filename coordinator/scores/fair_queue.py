"""Whose request is next, when banks ask for more scores at once than the bureau can have on their way.

At most so many requests are in flight. Beyond that they wait, each bank in a line of its own: a free place goes to the
bank that has the fewest in flight, among equals to the one that has waited for a turn the longest. So a bank that sends
ten thousand requests delays another's single one by about one request, and its own by ten thousand. A bank's line is
bounded; who comes when it is full is told to come again later.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from coordinator.errors import GatewayBusy
from crypto.identifiers import ParticipantId

IN_FLIGHT: Final = 16
WAITING_PER_BANK: Final = 128


class FairQueue:
    """Turns for banks, within one event loop."""

    def __init__(
        self,
        *,
        in_flight: int = IN_FLIGHT,
        waiting_per_bank: int = WAITING_PER_BANK,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = in_flight
        self._waiting_per_bank = waiting_per_bank
        self._monotonic = monotonic
        self._in_flight: Counter[ParticipantId] = Counter()
        # The order of the banks is the order in which they had their last turn.
        self._lines: dict[ParticipantId, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        """How many requests wait, of all banks."""
        return sum(len(line) for line in self._lines.values())

    @property
    def in_flight(self) -> int:
        """How many requests are on their way, of all banks."""
        return self._in_flight.total()

    @asynccontextmanager
    async def turn(self, bank: ParticipantId) -> AsyncIterator[float]:
        """Wait for a turn and keep it inside the context; gives the seconds waited. Raises `GatewayBusy`."""
        began = self._monotonic()
        if self._free and not self._lines:
            self._take(bank)
        else:
            await self._wait(bank)
        try:
            yield self._monotonic() - began
        finally:
            self._give_back(bank)

    async def _wait(self, bank: ParticipantId) -> None:
        line = self._lines.setdefault(bank, deque())
        if len(line) >= self._waiting_per_bank:
            raise GatewayBusy
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._give_back(bank)  # the turn came while whoever waited for it went away
            else:
                self._leave(bank, place)
            raise

    def _take(self, bank: ParticipantId) -> None:
        self._free -= 1
        self._in_flight[bank] += 1

    def _give_back(self, bank: ParticipantId) -> None:
        self._free += 1
        self._in_flight[bank] -= 1
        if not self._in_flight[bank]:
            del self._in_flight[bank]
        self._next()

    def _next(self) -> None:
        while self._lines and self._free:
            bank = min(self._lines, key=lambda name: self._in_flight[name])  # the first of equals
            line = self._lines.pop(bank)
            place = line.popleft()
            if line:
                self._lines[bank] = line
            if not place.done():  # else whoever waited was told to go away, and has not noticed yet
                self._take(bank)
                place.set_result(None)
                return

    def _leave(self, bank: ParticipantId, place: asyncio.Future[None]) -> None:
        line = self._lines.get(bank)
        if line is not None and place in line:
            line.remove(place)
            if not line:
                del self._lines[bank]
