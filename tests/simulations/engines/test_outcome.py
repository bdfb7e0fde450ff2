import time
from pathlib import Path

from simulations.engines.outcome import Outcome


def test_lines_are_passed_on_as_they_appear_and_only_whole(tmp_path: Path) -> None:
    outcome, lines = Outcome.new(tmp_path), list[str]()
    with outcome.read_progress(lines.append), outcome.progress.open("a") as report:
        report.write("first\nsec")
        report.flush()
        ends_at = time.monotonic() + 5
        while not lines and time.monotonic() < ends_at:
            time.sleep(0.02)
        assert lines == ["first"]
        report.write("ond 渝\nlast\n")
    assert lines == ["first", "second 渝", "last"]


def test_each_run_has_files_of_its_own(tmp_path: Path) -> None:
    one, other = Outcome.new(tmp_path), Outcome.new(tmp_path)
    assert {one.result, one.progress}.isdisjoint({other.result, other.progress})
    assert one.added_to({"rounds": 3}) == {
        "rounds": 3,
        "result-path": str(one.result),
        "progress-path": str(one.progress),
    }
    assert not one.result.exists()
