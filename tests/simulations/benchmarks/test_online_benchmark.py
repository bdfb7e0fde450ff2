"""The benchmark of online scores, made small: every figure is there, so a metric that is renamed is noticed."""

from __future__ import annotations

import pytest

from simulations.benchmarks.online import measure_online


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_scores_between_processes_are_timed_and_their_parts_add_up() -> None:
    report = measure_online(departments=3, seconds=1.0, rate=4.0, enterprises=0, one_by_one=4)
    latency, load = report["latency_ms"], report["throughput"]
    assert (report["departments"], latency["scores"], latency["errors"]) == (3, 4, {})
    assert 0 < latency["p50"] <= latency["p99"]
    parts = latency["parts"]
    assert sum(parts.values()) == pytest.approx(latency["mean"])
    assert parts["cryptography"] > 0
    assert parts["network"] > 0
    assert parts["waiting"] >= 0
    # Two documents, three boxes and three ciphertexts of 768 bytes pass the bureau at the least.
    assert 8_000 < report["bytes_through_bureau"] < 40_000
    assert report["bytes_on_departments_connections"] is None or report["bytes_on_departments_connections"] > 4_000
    assert report["processor_ms_per_score"] > parts["cryptography"] / 4
    assert (load["errors"], load["departments_missing"]) == (0, 0)
    assert 0 < load["p50_ms"] <= load["p99_ms"]
    assert load["per_second"] > 0
    assert load["processor_ms_per_score"] > 0
