"""What the bureau keeps between two rounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator.errors import NothingToResume
from coordinator.runs.checkpoint import Checkpoint, CheckpointStore
from crypto.errors import MalformedMessage
from simulations.rehearsal import FinishedRun


def test_a_finished_run_has_its_last_checkpoint_with_every_round(finished: FinishedRun) -> None:
    checkpoint = CheckpointStore(finished.federation.directory / "bureau" / finished.plan.run_id).load()
    assert checkpoint.run_plan() == finished.plan
    assert checkpoint.finished
    assert [record.objective for record in checkpoint.rounds] == finished.objectives
    assert set(checkpoint.round_outcomes()) == set(finished.federation.banks)
    assert Checkpoint.decode(checkpoint.encode()) == checkpoint


def test_without_a_checkpoint_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(NothingToResume):
        CheckpointStore(tmp_path / "new").load()


def test_a_damaged_checkpoint_is_refused(finished: FinishedRun, tmp_path: Path) -> None:
    whole = (finished.federation.directory / "bureau" / finished.plan.run_id / "checkpoint").read_bytes()
    (tmp_path / "checkpoint").write_bytes(whole[:-1])
    with pytest.raises(MalformedMessage):
        CheckpointStore(tmp_path).load()
