"""The operator sees whether a node lives, whether it is ready, and what it counts; nothing else."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.testclient import TestClient

from models.hosting.https.problems import Problem
from models.hosting.https.server import BackgroundServer
from models.hosting.operation import operations
from models.hosting.operation.operations import operations_app


@pytest.fixture
def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("yurong_things", "Things", registry=made).inc(3)
    return made


def fails() -> bool:
    raise ValueError("postgresql://user:password@host")


def test_a_node_lives_and_is_ready_when_all_checks_say_so(registry: CollectorRegistry) -> None:
    state = {"pins": True}
    client = TestClient(operations_app(registry, {"pins": lambda: state["pins"], "database": lambda: True}))
    assert client.get("/healthz").json() == {"healthy": True}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"checks": {"database": True, "pins": True}, "ready": True})
    state["pins"] = False
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (503, {"checks": {"database": True, "pins": False}, "ready": False})
    assert client.get("/healthz").status_code == 200
    assert ready.headers["cache-control"] == "no-store"


def test_a_check_that_fails_says_no_without_its_words(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(operations_app(registry, {"database": fails}))
    for _ in range(3):
        ready = client.get("/readyz")
        assert json.loads(ready.content)["checks"] == {"database": False}
        assert "password" not in ready.text
    assert caplog.messages == ["a readiness check changed"]


def test_a_check_that_hangs_says_no_in_time_and_gathers_no_threads(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "CHECK_SECONDS", 0.1)
    go_on, runs = threading.Event(), []

    def hangs() -> bool:
        runs.append(1)
        return go_on.wait(10)

    with BackgroundServer(operations_app(registry, {"database": hangs}), port=0) as server:
        url = f"http://127.0.0.1:{server.port}/readyz"
        began = time.monotonic()
        for _ in range(3):
            assert httpx.get(url, trust_env=False).status_code == 503
        assert time.monotonic() - began < 2
        assert len(runs) == 1
        go_on.set()
        time.sleep(0.05)
        assert httpx.get(url, trust_env=False).status_code == 200


def test_metrics_are_prometheus_text(registry: CollectorRegistry) -> None:
    answer = TestClient(operations_app(registry, {})).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "yurong_things_total 3.0" in answer.text


def test_what_there_is_not_is_a_problem(registry: CollectorRegistry) -> None:
    client = TestClient(operations_app(registry, {}))
    assert Problem.from_json(client.get("/secrets").content).slug == "not-found"
    assert Problem.from_json(client.post("/readyz").content).slug == "method-not-allowed"


@pytest.mark.parametrize("name", ["", "A", "a b", "x" * 41])
def test_a_check_has_a_plain_name(registry: CollectorRegistry, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        operations_app(registry, {name: lambda: True})
