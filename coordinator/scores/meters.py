"""What the gateway counts and times, for Prometheus. No label names an enterprise, and none a bank's amounts.

yurong_gateway_seconds{part}                   waiting for a turn, cryptography at the bureau, log (until the request
                                               is in it), network (the wait for the slowest department, with what it
                                               computes); `all` is the whole
yurong_gateway_bytes_total{side,direction}     HTTP's heads and bodies, without TLS's own; in: the bureau receives it
yurong_gateway_waiting, _in_flight             requests in line, and with departments
yurong_department_up{department}               1 or 0, of the departments of models that scores are given by
yurong_department_answer_seconds{department}   from a department's request to its answer
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from coordinator.scores.fair_queue import FairQueue
from crypto.identifiers import ParticipantId

_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


class Part(StrEnum):
    """What the time of a score is spent on at the bureau."""

    WAITING = "waiting"
    CRYPTOGRAPHY = "cryptography"
    LOG = "log"
    NETWORK = "network"
    ALL = "all"


class GatewayMeters:
    """The gateway's metrics, in a registry of their own or the process's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "yurong_gateway_seconds", "Time of a score by part", ["part"], buckets=_SECONDS, registry=registry
        )
        self._bytes = Counter("yurong_gateway_bytes", "Bytes of HTTP", ["side", "direction"], registry=registry)
        self._up = Gauge("yurong_department_up", "Whether a department answers", ["department"], registry=registry)
        self._answer = Histogram(
            "yurong_department_answer_seconds",
            "Time of a department's answer",
            ["department"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._states: dict[ParticipantId, bool] = {}
        self._shown: frozenset[ParticipantId] | None = None
        self._waiting = Gauge("yurong_gateway_waiting", "Requests in line", registry=registry)
        self._in_flight = Gauge("yurong_gateway_in_flight", "Requests with departments", registry=registry)

    def watch(self, queue: FairQueue) -> None:
        """Show how long a queue is, whenever somebody looks."""
        self._waiting.set_function(lambda: queue.waiting)
        self._in_flight.set_function(lambda: queue.in_flight)

    @contextmanager
    def timing(self, *parts: Part) -> Iterator[None]:
        """Count what is done within as these parts."""
        began = perf_counter()
        try:
            yield
        finally:
            for part in parts:
                self.took(part, perf_counter() - began)

    def took(self, part: Part, seconds: float) -> None:
        """A part took so long."""
        self._seconds.labels(part).observe(seconds)

    def with_banks(self, received: int, sent: int) -> None:
        """The bytes of a bank's request and of its answer, a refusal among them: a `byte_count.Count`."""
        self._bytes.labels("banks", "in").inc(received)
        self._bytes.labels("banks", "out").inc(sent)

    def with_departments(self, sent: int, received: int) -> None:
        """The bytes of a request to a department and of its answer: a `models.hosting.https.peer.Traffic`."""
        self._bytes.labels("departments", "in").inc(received)
        self._bytes.labels("departments", "out").inc(sent)

    def department_is(self, department: ParticipantId, up: bool) -> None:
        """A department came or went."""
        self._states[department] = up
        if self._shown is None or department in self._shown:
            self._up.labels(department).set(up)

    def show(self, departments: Iterable[ParticipantId]) -> None:
        """From now on whether these are up, and no others. Before the first call, all that were heard of."""
        before, self._shown = self._states.keys() if self._shown is None else self._shown, frozenset(departments)
        for department in before - self._shown:
            with suppress(KeyError):
                self._up.remove(department)
        for department in self._shown & self._states.keys():
            self._up.labels(department).set(self._states[department])

    def answered(self, department: ParticipantId, seconds: float) -> None:
        """A department answered a score request."""
        self._answer.labels(department).observe(seconds)
