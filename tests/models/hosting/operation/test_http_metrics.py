"""Requests are counted by what the source names; a caller cannot make new labels."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from models.hosting.https.problems import NOT_FOUND, Problem, send_problem
from models.hosting.operation.metrics import HttpMeters, Metered, new_registry


async def app(scope: Any, _receive: Any, send: Any) -> None:
    if scope["path"] == "/fails":
        raise ValueError("a secret")
    if scope["path"] == "/v1/scores":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    elif scope["path"] == "/plain":
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send_problem(scope, send, Problem(kind=NOT_FOUND))


def ask(metered: Metered, path: str) -> None:
    async def nothing(*_: Any) -> Any:
        return None

    asyncio.run(metered({"type": "http", "path": path}, nothing, nothing))


def test_requests_are_counted_by_route_and_outcome() -> None:
    registry = CollectorRegistry()
    metered = Metered(app, HttpMeters(registry), service="gateway", routes=["/v1/scores", "/plain", "/fails"])
    for path in ("/v1/scores", "/v1/scores", "/plain", "/v1/91509901MA0000003X", "/another"):
        ask(metered, path)
    with pytest.raises(ValueError, match="a secret"):
        ask(metered, "/fails")

    def count(route: str, outcome: str) -> float | None:
        labels = {"service": "gateway", "route": route, "outcome": outcome}
        return registry.get_sample_value("yurong_http_requests_total", labels)

    assert count("/v1/scores", "answered") == 2
    assert count("/plain", "other") == 1
    assert count("other", "not-found") == 2
    assert count("/fails", "broken-off") == 1
    assert registry.get_sample_value("yurong_http_requests_in_progress", {"service": "gateway"}) == 0
    labels = {"service": "gateway", "route": "/v1/scores"}
    assert registry.get_sample_value("yurong_http_request_seconds_count", labels) == 2
    text = generate_latest(registry).decode()
    assert "91509901" not in text
    assert "/another" not in text


def test_the_start_of_an_app_is_not_counted() -> None:
    registry, seen = CollectorRegistry(), []

    async def starts(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    metered = Metered(starts, HttpMeters(registry), service="gateway", routes=[])
    asyncio.run(metered({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
    assert b"yurong_http_requests_total{" not in generate_latest(registry)


def test_a_process_says_how_large_it_is() -> None:
    text = generate_latest(new_registry()).decode()
    for name in ("process_resident_memory_bytes", "process_open_fds", "python_info", "python_gc_collections_total"):
        assert f"\n{name}" in text
