"""Who is up, as the bureau's probes find out: without waiting for who hangs, and without asking in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from coordinator.scores.probe import DepartmentProbe, Readiness
from coordinator.scores.scoring import ServedModel
from crypto.errors import PeerError
from crypto.identifiers import ModelVersion, ParticipantId

A, B, C, D = (ParticipantId(name) for name in ("a", "b", "c", "d"))
MODEL = ServedModel(version=ModelVersion("0" * 32), departments=(A, B, C, D), banks={})
OTHER = ServedModel(version=ModelVersion("1" * 32), departments=(A, B, C), banks={})


class Departments:
    """Departments that answer probes, refuse, or hang; who was asked, and what changed."""

    def __init__(self) -> None:
        self.asked: list[ParticipantId] = []
        self.changes: list[tuple[ParticipantId, bool]] = []
        self.down: set[ParticipantId] = set()
        self.hanging: set[ParticipantId] = set()
        self.not_ready: set[tuple[ParticipantId, ModelVersion]] = set()
        self.serial = 1
        self.now = 0.0
        self.probe = DepartmentProbe(
            self.ask,
            on_change=lambda name, up: self.changes.append((name, up)),
            monotonic=lambda: self.now,
            timeout_seconds=0.05,
            offer_seconds=0.02,
        )

    async def ask(self, department: ParticipantId, version: ModelVersion) -> Readiness:
        self.asked.append(department)
        await asyncio.sleep(0)
        if department in self.hanging:
            await asyncio.Event().wait()
        if department in self.down:
            raise PeerError("nobody is there")
        return Readiness(serial=self.serial, ready=(department, version) not in self.not_ready)

    def asked_now(self) -> list[ParticipantId]:
        asked, self.asked = self.asked, []
        return asked


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 10))


def test_the_first_offer_asks_everybody_and_the_next_within_250_ms_nobody() -> None:
    async def scenario() -> None:
        some = Departments()
        some.serial = 7
        assert await some.probe.up(MODEL) == {A: 7, B: 7, C: 7, D: 7}
        assert some.asked_now() == [A, B, C, D]
        some.now += 0.2
        assert len(await some.probe.up(MODEL)) == 4
        assert some.asked_now() == []
        some.now += 0.1
        await some.probe.up(MODEL)
        assert some.asked_now() == [A, B, C, D]

    run(scenario())


def test_an_answer_to_a_request_is_a_word_as_well() -> None:
    async def scenario() -> None:
        some = Departments()
        await some.probe.up(MODEL)
        some.now += 10
        for name in (A, B):
            some.probe.heard(name)
        some.asked_now()
        await some.probe.up(MODEL)
        assert some.asked_now() == [C, D]

    run(scenario())


def test_a_department_that_hangs_costs_one_offer_its_time_and_the_next_nothing() -> None:
    async def scenario() -> None:
        some = Departments()
        await some.probe.up(MODEL)
        some.hanging, some.now = {C}, some.now + 1
        assert set(await some.probe.up(MODEL)) == {A, B, D}
        assert some.changes[-1] == (C, False)
        some.asked_now()
        some.now += 1
        assert set(await some.probe.up(MODEL)) == {A, B, D}
        assert C not in some.asked_now()

    run(scenario())


def test_who_is_down_comes_back_by_a_probe_alone() -> None:
    async def scenario() -> None:
        some = Departments()
        some.down = {B}
        assert set(await some.probe.up(MODEL)) == {A, C, D}
        some.down = set()
        some.probe.heard(B)
        some.now += 1
        assert set(await some.probe.up(MODEL)) == {A, C, D}
        await some.probe.round([MODEL])
        assert set(some.probe.known_up(MODEL)) == {A, B, C, D}
        assert [change for change in some.changes if change[0] == B] == [(B, False), (B, True)]

    run(scenario())


def test_who_did_not_answer_a_request_is_out_of_the_next_offer() -> None:
    async def scenario() -> None:
        some = Departments()
        await some.probe.up(MODEL)
        some.probe.lost(D)
        assert set(await some.probe.up(MODEL)) == {A, B, C}
        assert some.changes == [(A, True), (B, True), (C, True), (D, True), (D, False)]

    run(scenario())


def test_a_department_may_be_ready_for_one_model_and_not_for_another() -> None:
    async def scenario() -> None:
        some = Departments()
        some.not_ready = {(A, MODEL.version)}
        await some.probe.round([MODEL, OTHER])
        assert set(some.probe.known_up(MODEL)) == {B, C, D}
        assert set(some.probe.known_up(OTHER)) == {A, B, C}
        assert (A, True) in some.changes

    run(scenario())


def test_a_department_too_busy_to_answer_a_probe_is_not_down_while_it_answers_requests() -> None:
    async def scenario() -> None:
        some = Departments()
        await some.probe.up(MODEL)
        some.hanging, some.now = {C}, some.now + 1
        offer = asyncio.create_task(some.probe.up(MODEL))
        await asyncio.sleep(0.005)
        some.probe.heard(C)
        assert set(await offer) == {A, B, C, D}

    run(scenario())


def test_a_new_serial_is_learned_even_of_a_department_that_is_busy_all_the_time() -> None:
    async def scenario() -> None:
        some = Departments()
        await some.probe.round([MODEL])
        some.serial = 2
        rounds = 0
        while some.probe.known_up(MODEL)[A] == 1:
            some.now += 1
            for name in MODEL.departments:
                some.probe.heard(name)
            await some.probe.round([MODEL])
            rounds += 1
        assert 2 <= rounds <= 6

    run(scenario())


def test_a_department_that_says_it_cannot_answer_is_asked_before_the_next_offer() -> None:
    async def scenario() -> None:
        some = Departments()
        await some.probe.up(MODEL)
        some.probe.doubt(B)
        some.asked_now()
        assert set(await some.probe.up(MODEL)) == {A, B, C, D}
        assert some.asked_now() == [B]

    run(scenario())


def test_two_offers_at_once_share_their_probes() -> None:
    async def scenario() -> None:
        some = Departments()
        await asyncio.gather(some.probe.up(MODEL), some.probe.up(MODEL))
        assert some.asked_now() == [A, B, C, D]

    run(scenario())


def test_a_department_whose_probe_fails_in_a_way_that_nobody_thought_of_is_down() -> None:
    async def scenario() -> None:
        some = Departments()
        await some.probe.up(MODEL)

        async def fails(department: ParticipantId, version: ModelVersion) -> Readiness:
            if department == B:
                raise OSError("no file descriptor is left")
            return await some.ask(department, version)

        some.probe._ask = fails
        some.now += 1
        await some.probe.round([MODEL])
        assert set(some.probe.known_up(MODEL)) == {A, C, D}
        assert some.changes[-1] == (B, False)

    run(scenario())


def test_the_background_goes_on_round_after_round() -> None:
    async def scenario() -> None:
        asked: list[tuple[ParticipantId, ModelVersion]] = []
        enough = asyncio.Event()

        async def ask(department: ParticipantId, version: ModelVersion) -> Readiness:
            asked.append((department, version))
            if len(asked) >= 9:
                enough.set()
            raise PeerError("nobody is there")

        probe = DepartmentProbe(ask, on_change=lambda *_: None, period_seconds=0.01)
        task = asyncio.create_task(probe.run(lambda: [OTHER]))
        await enough.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())
