import inspect
import time
from collections.abc import Iterator
from typing import Any

import flwr.supernode.start_client_internal as supernode_loop
import pytest
from flwr.common.constant import HEARTBEAT_BASE_MULTIPLIER, HEARTBEAT_PATIENCE, HEARTBEAT_RANDOM_RANGE
from flwr.supercore import heartbeat
from flwr.supercore.inflatable import inflatable_utils
from flwr.superlink.servicer.fleet import fleet_handlers

import coordinator.flower.pauses
from participants.flower import pauses

FUNCTIONS: tuple[Any, ...] = (inflatable_utils.pull_objects, inflatable_utils.pull_and_inflate_object_from_tree)
LOOP: Any = supernode_loop
HEARTBEAT: Any = heartbeat


@pytest.fixture(autouse=True)
def _flower_is_as_it_was_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(supernode_loop, "time", time)
    monkeypatch.setattr(heartbeat, "exponential", HEARTBEAT.exponential)
    for module, name, known, _ in pauses._HEARTBEATS:
        monkeypatch.setattr(module, name, known)
    defaults = [function.__kwdefaults__ for function in FUNCTIONS]
    for function in FUNCTIONS:
        function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), "initial_backoff": 1}
    yield
    for function, before in zip(FUNCTIONS, defaults, strict=True):
        function.__kwdefaults__ = before


def backoffs() -> list[float]:
    return [(function.__kwdefaults__ or {})["initial_backoff"] for function in FUNCTIONS]


def test_the_pinned_flower_is_the_one_whose_pauses_are_known() -> None:
    assert pauses.sleeps_in(inspect.getsource(supernode_loop)) == pauses.KNOWN_SLEEPS
    assert pauses.shorten_supernode_sleeps(0.01)
    began = time.monotonic()
    LOOP.time.sleep(3)
    assert time.monotonic() - began < 1
    assert pauses.shorten_object_backoff()
    assert backoffs() == [0.05, 0.05]
    assert pauses.shorten_object_backoff()


@pytest.mark.parametrize(
    ("source", "sleeps"),
    [
        ("import time\ntime.sleep(3)\ntime.sleep(0.5)", (0.5, 3.0)),
        ("import time\ntime.sleep(3)\nx = time.monotonic()", None),
        ("import time\ntime.sleep(pause)", None),
        ("import time\ntime.sleep(3, 4)", None),
    ],
)
def test_any_other_use_of_time_is_noticed(source: str, sleeps: tuple[float, ...] | None) -> None:
    assert pauses.sleeps_in(source) == sleeps


@pytest.mark.parametrize(("name", "value"), [("KNOWN_VERSION", "1.40.0"), ("KNOWN_SLEEPS", (3.0,))])
def test_nothing_is_changed_in_a_flower_that_is_not_as_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(pauses, name, value)
    assert not pauses.shorten_supernode_sleeps(0.01)
    assert LOOP.time is time


def test_another_version_keeps_its_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "KNOWN_VERSION", "1.40.0")
    assert not pauses.shorten_object_backoff()
    assert backoffs() == [1, 1]


def test_heartbeats_of_the_pinned_flower_come_often_enough_for_its_own_patience() -> None:
    assert pauses.shorten_heartbeats()
    assert pauses.shorten_heartbeats()
    beat, call = HEARTBEAT.HEARTBEAT_DEFAULT_INTERVAL, HEARTBEAT.HEARTBEAT_CALL_TIMEOUT
    longest = (beat - call) * (HEARTBEAT_BASE_MULTIPLIER + HEARTBEAT_RANDOM_RANGE[1])
    # Two may be missed, and one more try be made, before the node is taken for gone.
    assert 0 < 2 * longest + pauses.RETRY_SECONDS < HEARTBEAT_PATIENCE * pauses.HEARTBEAT_SECONDS
    assert coordinator.flower.pauses.SHORTEST_HEARTBEAT_SECONDS <= pauses.HEARTBEAT_SECONDS
    delays = HEARTBEAT.exponential(max_delay=20)
    assert max(next(delays) for _ in range(8)) == pauses.RETRY_SECONDS


def test_the_superlink_of_the_pinned_flower_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_handlers, "HEARTBEAT_MIN_INTERVAL", 10)
    handlers: Any = fleet_handlers
    with pytest.raises(handlers.InvalidHeartbeatIntervalError):
        handlers._validate_heartbeat_interval(pauses.HEARTBEAT_SECONDS)
    assert coordinator.flower.pauses.allow_short_heartbeats()
    handlers._validate_heartbeat_interval(pauses.HEARTBEAT_SECONDS)


def test_with_other_heartbeats_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "HEARTBEAT_DEFAULT_INTERVAL", 31)
    assert not pauses.shorten_heartbeats()
    assert HEARTBEAT.HEARTBEAT_CALL_TIMEOUT == 5
    monkeypatch.setattr(coordinator.flower.pauses, "package_version", "1.42.0")
    assert not coordinator.flower.pauses.allow_short_heartbeats()


def test_looks_for_messages_become_rare_when_there_are_none_for_a_minute() -> None:
    now, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    paused = pauses.Pauses(0.2, sleep=sleep, monotonic=lambda: now[0])
    paused.sleep(3)
    now[0] = 61.0
    paused.sleep(3)
    paused.sleep(0.5)  # a message is being answered
    paused.sleep(3)
    assert slept == [0.2, 2.0, 0.2, 0.2]
