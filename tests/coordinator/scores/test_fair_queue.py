"""Turns between banks: nobody starves, nobody floods, and nobody who goes away keeps a place."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from coordinator.errors import GatewayBusy
from coordinator.scores.fair_queue import FairQueue
from crypto.identifiers import ParticipantId

ONE, OTHER, THIRD = (ParticipantId(name) for name in ("bank-01", "bank-02", "bank-03"))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Desk:
    """Requests that stay in flight until they are told to end, and the order in which they had their turns."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.order: list[ParticipantId] = []
        self.end = asyncio.Semaphore(0)

    async def ask(self, bank: ParticipantId) -> None:
        async with self.queue.turn(bank):
            self.order.append(bank)
            await self.end.acquire()

    def many(self, bank: ParticipantId, count: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.ask(bank)) for _ in range(count)]


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 10))


def test_a_flood_of_one_bank_delays_another_by_one_request() -> None:
    async def scenario() -> None:
        desk = Desk(FairQueue(in_flight=2, waiting_per_bank=100))
        flood = desk.many(ONE, 50)
        await settle()
        single = desk.many(OTHER, 1)
        await settle()
        assert desk.order == [ONE, ONE]
        desk.end.release()
        await settle()
        assert desk.order == [ONE, ONE, OTHER]
        for _ in range(51):
            desk.end.release()
        await asyncio.gather(*flood, *single)
        assert desk.queue.in_flight == desk.queue.waiting == 0

    run(scenario())


def test_three_banks_that_all_flood_have_the_same_share() -> None:
    async def scenario() -> None:
        desk = Desk(FairQueue(in_flight=3, waiting_per_bank=100))
        tasks = desk.many(ONE, 60) + desk.many(OTHER, 60) + desk.many(THIRD, 60)
        for _ in range(180):
            await settle()
            desk.end.release()
        await asyncio.gather(*tasks)
        for bank in (ONE, OTHER, THIRD):
            assert 19 <= desk.order[3:63].count(bank) <= 21

    run(scenario())


def test_a_full_line_is_refused_and_others_still_wait_in_theirs() -> None:
    async def scenario() -> None:
        desk = Desk(FairQueue(in_flight=1, waiting_per_bank=2))
        tasks = desk.many(ONE, 3)
        await settle()
        with pytest.raises(GatewayBusy) as refused:
            await desk.ask(ONE)
        assert (refused.value.kind.retry_after_seconds or 0) >= 1
        tasks += desk.many(OTHER, 2)
        await settle()
        assert desk.queue.waiting == 4
        for _ in range(5):
            desk.end.release()
        await asyncio.gather(*tasks)

    run(scenario())


def test_who_goes_away_keeps_no_place() -> None:
    async def scenario() -> None:
        desk = Desk(FairQueue(in_flight=1, waiting_per_bank=2))
        first, second, third = desk.many(ONE, 3)
        await settle()
        second.cancel()
        await settle()
        assert desk.queue.waiting == 1
        first.cancel()  # the place goes to the third, who goes away before noticing
        await asyncio.sleep(0)
        third.cancel()
        await settle()
        assert (desk.queue.in_flight, desk.queue.waiting) == (0, 0)
        desk.end.release()
        await desk.ask(ONE)

    run(scenario())


def test_a_place_that_comes_free_while_the_next_goes_away_is_not_lost() -> None:
    async def scenario() -> None:
        desk = Desk(FairQueue(in_flight=1, waiting_per_bank=3))
        first, second, third = desk.many(ONE, 3)
        await settle()
        desk.end.release()
        second.cancel()  # in the very moment in which the first one ends, and gives its place on
        await asyncio.gather(first, second, return_exceptions=True)
        await settle()
        assert (desk.queue.in_flight, desk.queue.waiting) == (1, 0)
        desk.end.release()
        await third
        assert desk.queue.in_flight == 0

    run(scenario())


def test_a_request_that_fails_gives_its_place_back() -> None:
    async def scenario() -> None:
        queue = FairQueue(in_flight=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with queue.turn(ONE):
                    raise ZeroDivisionError
        assert queue.in_flight == 0

    run(scenario())


def test_what_was_waited_is_told() -> None:
    async def scenario() -> None:
        now = [0.0]
        queue = FairQueue(in_flight=1, monotonic=lambda: now[0])
        async with queue.turn(ONE) as waited:
            assert waited == 0
            other = asyncio.create_task(wait_of(queue))
            await settle()
            now[0] = 2.5
        assert await other == 2.5

    async def wait_of(queue: FairQueue) -> float:
        async with queue.turn(OTHER) as waited:
            return waited

    run(scenario())
