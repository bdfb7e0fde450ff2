"""What a process counts and times, for Prometheus: a registry of its own and the metrics of every HTTP service.

    yurong_http_requests_total{service,route,outcome}   outcome: `answered`, or the problem's slug
    yurong_http_request_seconds{service,route}          from the head of a request to the end of its answer
    yurong_http_requests_in_progress{service}

A label has as many values as the source names and no more: a route that is none of the service's is `other`. So a
caller cannot fill the memory of whoever scrapes, and nothing of a path gets into a metric.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.hosting.https.problems import KINDS, STATE_KEY

ANSWERED: Final = "answered"
OTHER: Final = "other"
SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Buckets around what a score takes."""


def new_registry() -> CollectorRegistry:
    """A registry with what is to be known of any process: memory, processor time, descriptors, Python's version."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class HttpMeters:
    """The metrics of all HTTP services of a process. One object a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "yurong_http_requests", "Requests by outcome", ["service", "route", "outcome"], registry=registry
        )
        self.seconds = Histogram(
            "yurong_http_request_seconds",
            "Time of a request",
            ["service", "route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.in_progress = Gauge(
            "yurong_http_requests_in_progress", "Requests under way", ["service"], registry=registry
        )


class Metered:
    """An ASGI app that counts the requests of `app`. It stands before the `Guard`, so that refusals count too.

    service: `gateway`, `department`. routes: the paths that the app knows.
    """

    def __init__(self, app: ASGIApp, meters: HttpMeters, *, service: str, routes: Iterable[str]) -> None:
        self._app, self._meters, self._service = app, meters, service
        self._routes = frozenset(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        route = path if path in self._routes else OTHER
        # The connection gives each request a state of its own; an app under test may have none.
        state = scope.setdefault("state", {})
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        began = perf_counter()
        with self._meters.in_progress.labels(self._service).track_inprogress():
            try:
                await self._app(scope, receive, watched)
            finally:
                outcome = _outcome(state.get(STATE_KEY), status)
                self._meters.requests.labels(self._service, route, outcome).inc()
                self._meters.seconds.labels(self._service, route).observe(perf_counter() - began)


def _outcome(slug: object, status: int) -> str:
    if isinstance(slug, str) and slug in KINDS:
        return slug
    if status == 0:
        return "broken-off"
    return ANSWERED if status < 400 else OTHER
