"""A demonstration replaces its directory as a whole, or leaves it as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulations.errors import OutputRefused
from simulations.output import MARKER, replaced_directory


def made(out: Path, text: str) -> None:
    with replaced_directory(out) as work:
        (work / "report.html").write_text(text, encoding="utf-8")


def stopped(out: Path) -> None:
    with replaced_directory(out) as work:
        (work / "kept").touch()
        raise RuntimeError


def test_a_new_directory_appears_when_all_went_well(tmp_path: Path) -> None:
    made(tmp_path / "out", "first")
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_an_earlier_demonstration_is_replaced_as_a_whole(tmp_path: Path) -> None:
    made(tmp_path / "out", "first")
    (tmp_path / "out" / "old").touch()
    made(tmp_path / "out", "second")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([MARKER, "report.html"])


def test_what_goes_wrong_leaves_the_earlier_one_as_it_was(tmp_path: Path) -> None:
    made(tmp_path / "out", "first")
    with pytest.raises(RuntimeError), replaced_directory(tmp_path / "out"):
        raise RuntimeError
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8") == "first"
    assert (tmp_path / "out.unfinished" / MARKER).is_file()


def test_a_stopped_one_is_found_again_and_only_then(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused), replaced_directory(tmp_path / "out", resume=True):
        pass
    with pytest.raises(RuntimeError):
        stopped(tmp_path / "out")
    with replaced_directory(tmp_path / "out", resume=True) as work:
        assert (work / "kept").is_file()
    assert (tmp_path / "out" / "kept").is_file()


@pytest.mark.parametrize("occupied", ["out", "out.unfinished"])
def test_what_we_did_not_make_is_never_touched(tmp_path: Path, occupied: str) -> None:
    (tmp_path / occupied).mkdir()
    (tmp_path / occupied / "thesis").touch()
    with pytest.raises(OutputRefused, match="not empty"), replaced_directory(tmp_path / "out"):
        pass
    assert (tmp_path / occupied / "thesis").is_file()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputRefused, match="is a file"), replaced_directory(tmp_path / "out"):
        pass
