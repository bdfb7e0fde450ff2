"""The benchmark of scoring, made small."""

from pathlib import Path

import pytest

from crypto.errors import ProtectionUnavailable
from simulations.benchmarks.scoring import measure_batch, measure_online, measure_scoring


def test_online_scores_are_timed_and_exact(tmp_path: Path) -> None:
    report = measure_online(3, requests=4, directory=tmp_path)
    assert report["exact"] is True
    assert 0 < report["median"] <= report["p99"]
    assert report["requests"] == 4
    assert list(tmp_path.iterdir()) == []


def test_a_batch_is_timed_and_exact_over_several_slices() -> None:
    report = measure_batch(3, 4096 * 8 + 5)
    assert report["exact"] is True
    assert (report["enterprises"], report["departments"]) == (4096 * 8 + 5, 3)
    assert 0 < report["seconds_encrypt_one_department"] < report["seconds_one_core"]
    assert report["bytes_per_score"] < 20


def test_too_few_departments_are_refused() -> None:
    with pytest.raises(ProtectionUnavailable):
        measure_scoring(departments=2)
