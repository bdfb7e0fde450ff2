from pathlib import Path

from simulations.benchmarks.large_log import measure_large_log


def test_the_measurement_of_a_large_log_says_what_was_promised(tmp_path: Path) -> None:
    found = measure_large_log(tmp_path / "log", 70_000, proofs=50)
    assert found["leaves"] == 70_000
    assert 0 < found["inclusion_proof_ms"] <= found["inclusion_proof_ms_99"]
    tiles, entries = 70_000 * 32, 70_000 * 51
    assert tiles < found["tree_bytes_on_disk"] < 1.2 * tiles
    assert tiles + entries < found["bytes_on_disk"] < 1.4 * (tiles + entries)
