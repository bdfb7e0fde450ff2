"""The files of one run at the bureau: what is kept is on the disk, and looking makes nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from coordinator.runs.checkpoint import CheckpointStore
from coordinator.runs.run_directory import RunDirectory, last_news
from models.hosting.storage import files
from simulations.rehearsal import FinishedRun


def test_what_is_kept_is_on_the_disk_under_its_name(
    tmp_path: Path, finished: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised: list[list[str]] = []

    def seen(directory: Path) -> None:
        synchronised.append(sorted(path.name for path in directory.iterdir()))

    monkeypatch.setattr(files, "sync_directory", seen)
    run = RunDirectory.of(tmp_path, "run-1")
    run.write("model", b"manifest")
    checkpoint = CheckpointStore(finished.federation.directory / "bureau" / finished.plan.run_id).load()
    CheckpointStore(run.directory).save(checkpoint)
    assert synchronised == [["model"], ["checkpoint", "model"]]
    assert CheckpointStore(run.directory).load() == checkpoint
    assert {stat.S_IMODE(path.stat().st_mode) for path in run.directory.iterdir()} == {0o600}


def test_the_last_news_of_each_kind_are_read_whatever_else_is_in_the_file(tmp_path: Path) -> None:
    run = RunDirectory.of(tmp_path, "run-1")
    run.add_progress('{"phase":"join","pending":["tax"]}')
    run.add_progress('{"phase":"training"')
    run.add_progress("7")
    with (run.directory / "progress").open("ab") as lines:
        lines.write(b"\xff\xfe\n\n")
    run.add_progress('{"round":2}')
    assert last_news(tmp_path, "run-1") == {"phase": "join", "pending": ["tax"], "round": 2}


def test_to_look_for_news_makes_no_directory(tmp_path: Path) -> None:
    assert last_news(tmp_path, "run-1") == {}
    assert list(tmp_path.iterdir()) == []
