"""What the bureau keeps of a run so that it can be taken up again after its last finished round.

Everything in it went through the bureau anyway: ciphertexts, sealed and signed post, and figures that all may know. A
checkpoint is one file, `checkpoint`, replaced as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coordinator.errors import NothingToResume
from crypto.identifiers import ParticipantId
from models.hosting.storage.files import private_file
from models.wire.codec import Blob, Count, Name, WireMessage
from models.wire.plan import RunPlan
from models.wire.training import BeginRequest, Real, RoundOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundRecord(WireMessage):
    """A finished round."""

    seconds: Real
    attempts: Count
    objective: Real
    auc_held_out: Real | None
    newton_steps: Count
    left_out: tuple[Name, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(WireMessage):
    """A run between two rounds."""

    plan: Blob
    begin: BeginRequest
    parameters: tuple[tuple[Name, Count], ...]  # of each department's block
    banks: tuple[Name, ...]  # still taking part
    outcomes: tuple[tuple[Name, Blob], ...]  # of the last round, by bank
    rounds: tuple[RoundRecord, ...]
    finished: bool

    def run_plan(self) -> RunPlan:
        """The run's plan."""
        return RunPlan.decode(self.plan)

    def round_outcomes(self) -> dict[ParticipantId, RoundOutcome]:
        """The last round's outcome at each bank."""
        return {ParticipantId(bank): RoundOutcome.decode(data) for bank, data in self.outcomes}


class CheckpointStore:
    """The checkpoint of one run in the bureau's directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "checkpoint"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; after a crash there is the old one or the new one, whole."""
        private_file(self._path, checkpoint.encode())

    @property
    def exists(self) -> bool:
        """Whether the run came to its first round."""
        return self._path.is_file()

    def load(self) -> Checkpoint:
        """The last checkpoint; raises `NothingToResume`."""
        try:
            return Checkpoint.decode(self._path.read_bytes())
        except FileNotFoundError:
            raise NothingToResume(self._path.parent) from None
