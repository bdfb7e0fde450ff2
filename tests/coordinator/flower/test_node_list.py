"""Flower's list of nodes follows the pins, whatever goes wrong in between."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping

import pytest

from coordinator.errors import LinkFailed, NodesRefused
from coordinator.flower.node_list import AGAIN_SECONDS, NodeList
from crypto.identifiers import ParticipantId

TAX, COURTS = ParticipantId("tax"), ParticipantId("courts")


class Link:
    """A SuperLink, and the bureau's pins and clock beside it."""

    def __init__(self) -> None:
        self.pins: dict[ParticipantId, Collection[bytes]] = {TAX: frozenset({b"1"})}
        self.asked: list[Mapping[ParticipantId, Collection[bytes]]] = []
        self.fault: Exception | None = None
        self.pins_fault: Exception | None = None
        self.seconds = 0.0
        self.refused: tuple[str, ...] = ()
        self.nodes = NodeList(self, self.node_keys, report=self.report, clock=self)

    def report(self, names: Collection[str]) -> None:
        self.refused = tuple(names)

    def node_keys(self) -> Mapping[ParticipantId, Collection[bytes]]:
        if self.pins_fault is not None:
            raise self.pins_fault
        return dict(self.pins)

    def synchronise(self, node_keys: Mapping[ParticipantId, Collection[bytes]]) -> bool:
        self.asked.append(node_keys)
        if self.fault is not None:
            raise self.fault
        return True

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def steps(self, number: int) -> int:
        """How often the SuperLink is asked in so many steps of a second."""
        before = len(self.asked)
        for _ in range(number):
            self.nodes.step()
            self.seconds += 1.0
        return len(self.asked) - before


@pytest.fixture
def link() -> Link:
    return Link()


def test_a_change_of_the_pins_is_taken_over_at_once(link: Link) -> None:
    assert link.steps(5) == 1
    link.pins[COURTS] = frozenset({b"2"})
    assert link.steps(5) == 1
    assert link.asked[-1] == link.pins


def test_a_superlink_that_has_lost_its_state_gets_the_list_again(link: Link) -> None:
    link.steps(1)
    assert link.steps(int(AGAIN_SECONDS)) == 1
    assert link.steps(int(10 * AGAIN_SECONDS)) == 10


def test_a_superlink_that_is_down_is_asked_at_every_step(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    link.fault = LinkFailed("it is down")
    assert link.steps(5) == 5
    assert len(caplog.records) == 1
    link.fault = None
    assert link.steps(5) == 1


def test_a_node_that_is_refused_is_not_asked_for_again_at_every_step(link: Link) -> None:
    link.fault = NodesRefused(["tax"])
    assert link.steps(int(AGAIN_SECONDS)) == 1
    assert "tax" in link.refused
    link.pins[TAX] = frozenset({b"new"})
    link.fault = None
    assert link.steps(5) == 1
    assert not link.refused


@pytest.mark.parametrize("part", ["pins_fault", "fault"])
def test_what_nobody_thought_of_ends_nothing(part: str, link: Link, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    setattr(link, part, RuntimeError("secret value 42"))
    link.steps(3)
    assert [record.getMessage() for record in caplog.records] == ["nodes are not registered: RuntimeError"]
    setattr(link, part, None)
    link.asked.clear()
    assert link.steps(3) == 1


def test_the_list_is_kept_until_told_to_stop(link: Link) -> None:
    link.pins_fault = OSError("no disk")
    stop = threading.Event()
    thread = threading.Thread(target=link.nodes.serve, args=(stop,), kwargs={"poll_seconds": 0.001}, daemon=True)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
