"""What a department counts and times of score requests, for Prometheus. No label names an enterprise.

yurong_partial_scores_total{outcome}     `answered`, or the problem's type
yurong_partial_score_seconds{part}       check: signature, documents, box; obfuscator: the wait for one; answer: record,
                                         look-up, mask, encryption; all: from the request's bytes to the answer's
yurong_partial_score_processor_seconds_total   processor time of check and answer, without waits for disk or processor
yurong_obfuscator_pool_level{bank}       how many are ready; at 0 this bank's requests wait
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from time import perf_counter, thread_time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from crypto.identifiers import ParticipantId

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

Levels = Callable[[], Mapping[ParticipantId, int]]


class Part(StrEnum):
    """What the time of a partial score is spent on."""

    CHECK = "check"
    OBFUSCATOR = "obfuscator"
    ANSWER = "answer"
    ALL = "all"


_COMPUTED: Final = frozenset({Part.CHECK, Part.ANSWER})
"""Each goes on in one thread from its beginning to its end."""


class ScorerMeters:
    """The metrics, in the process's registry. `levels`: of the pools, whenever somebody looks."""

    def __init__(self, registry: CollectorRegistry, levels: Levels) -> None:
        self._outcomes = Counter("yurong_partial_scores", "Partial scores by outcome", ["outcome"], registry=registry)
        self._seconds = Histogram(
            "yurong_partial_score_seconds",
            "Time of a partial score by part",
            ["part"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._processor = Counter(
            "yurong_partial_score_processor_seconds", "Processor time of partial scores", registry=registry
        )
        registry.register(_PoolLevels(levels))

    def ended(self, outcome: str) -> None:
        """Count a request."""
        self._outcomes.labels(outcome).inc()

    @contextmanager
    def timing(self, part: Part) -> Iterator[None]:
        """Count the time within as part of a request."""
        began, began_processor = perf_counter(), thread_time()
        try:
            yield
        finally:
            self._seconds.labels(part).observe(perf_counter() - began)
            if part in _COMPUTED:
                self._processor.inc(thread_time() - began_processor)


class _PoolLevels(Collector):
    def __init__(self, levels: Levels) -> None:
        self._levels = levels

    def collect(self) -> Iterable[Metric]:
        """One gauge, with a value for each bank."""
        gauge = GaugeMetricFamily("yurong_obfuscator_pool_level", "Obfuscators that are ready", labels=["bank"])
        for bank, level in sorted(self._levels().items()):
            gauge.add_metric([bank], level)
        return [gauge]

    def describe(self) -> Iterable[Metric]:
        """Its name, without a look at the pools."""
        return [GaugeMetricFamily("yurong_obfuscator_pool_level", "Obfuscators that are ready", labels=["bank"])]
