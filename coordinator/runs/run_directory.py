"""The files of one run at the bureau, which its server app and whoever watches it share.

    <bureau>/runs/<run id>/
        plan            what was proposed, as of this attempt
        conduct         how it is conducted (JSON)
        conducting      locked by the process that conducts it, as long as it lives
        introduction    everybody's signed documents and the banks' keys, from before the alignment
        checkpoint      after each round
        model           the manifest and what else is known, from before anybody binds a block to it
        progress        a line of JSON for each phase and round
        failure         why it stopped the last time (JSON)
        result          what came of it (JSON), when it has come to its end

Each but `progress` is there whole or not at all, and forced to the disk before anything rests on it. What a process
that was killed left undone is done again by the next (`conduct.py`).
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from coordinator.errors import LinkFailed, RunUnderWay
from crypto.errors import MalformedMessage
from crypto.identifiers import RunId
from models.hosting.storage.files import private_file
from models.wire.plan import RunPlan
from models.wire.setup import MeetRequest

BUREAU_VARIABLE: Final = "YURONG_BUREAU"
"""Names the bureau's directory to its server apps: a run's configuration in Flower travels to every participant, so it
holds no more than the run's name and whether it is taken up again."""

PROGRESS: Final = "progress"
_RUN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductSettings:
    """How a run is conducted.

    `deadline_seconds`: how long one exchange may take. `patience_seconds`: how long to wait for participants that were
    lost. `approval_seconds`: how long for people to approve. `score_applicants`: whether each bank then asks for the
    scores of those in its book that were not trained on.
    """

    deadline_seconds: float = 300.0
    patience_seconds: float = 0.0
    approval_seconds: float = 0.0
    score_applicants: bool = True


AS_USUAL: Final = ConductSettings()
_PERMISSIONS: Final = "permissions"


def run_directory(bureau: Path, run: str) -> Path:
    """Where the bureau keeps what it knows of a run. Raises `LinkFailed` for what is no name of one."""
    if _RUN.fullmatch(run) is None:
        raise LinkFailed(
            "a run of Flower's has no name that a run of ours may have", advice="Start it from the bureau."
        )
    return bureau / "runs" / run


class RunDirectory:
    """The files of one run in `directory`, which is made if absent."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @classmethod
    def of(cls, bureau: Path, run_id: str) -> RunDirectory:
        """The files of a run of the bureau in `bureau`; raises `LinkFailed` for what is no run id."""
        return cls(run_directory(bureau, run_id))

    @property
    def run_id(self) -> RunId:
        """The run's id."""
        return RunId(self.directory.name)

    def write_plan(self, plan: RunPlan, settings: ConductSettings) -> None:
        """Keep what is to be conducted, and how."""
        self.write("conduct", json.dumps(asdict(settings), sort_keys=True).encode())
        self.write("plan", plan.encode())

    def plan(self) -> RunPlan:
        """What is to be conducted."""
        return RunPlan.decode((self.directory / "plan").read_bytes())

    def settings(self) -> ConductSettings:
        """How; as usual if nothing is said."""
        data = self.read("conduct")
        if data is None:
            return AS_USUAL
        try:
            return msgspec.json.decode(data, type=ConductSettings)
        except msgspec.MsgspecError as fault:
            raise MalformedMessage(f"a run's settings cannot be read: {type(fault).__name__}") from None

    def introduction(self) -> MeetRequest | None:
        """Everybody's documents, if the run has come so far."""
        data = self.read("introduction")
        return None if data is None else MeetRequest.decode(data)

    def write_permissions(self, documents: Iterable[bytes]) -> None:
        """Keep what departments say for the log, until it is on its way there."""
        self.write_json(_PERMISSIONS, {"documents": [document.hex() for document in documents]})

    def permissions(self) -> list[bytes]:
        """What departments say for the log and is not on its way there yet."""
        kept = self._json(_PERMISSIONS)
        return [] if kept is None else [bytes.fromhex(document) for document in kept["documents"]]

    def permissions_logged(self) -> None:
        """It is on its way."""
        self.remove(_PERMISSIONS)

    def result(self) -> dict[str, Any] | None:
        """What came of the run, if it has come to its end."""
        return self._json("result")

    def failure(self) -> dict[str, Any] | None:
        """Why the run stopped the last time, if its server app had time to say so."""
        return self._json("failure")

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Keep a JSON object under a name."""
        self.write(name, json.dumps(values).encode())

    def add_progress(self, line: str) -> None:
        """Add a line of news."""
        descriptor = os.open(self.directory / PROGRESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as lines:
            lines.write(line + "\n")

    def write(self, name: str, data: bytes) -> None:
        """Keep bytes under a name, in place of what was there."""
        private_file(self.directory / name, data)

    def read(self, name: str) -> bytes | None:
        """What is kept under a name."""
        try:
            return (self.directory / name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Keep nothing under a name any more."""
        (self.directory / name).unlink(missing_ok=True)

    @contextmanager
    def conducting(self, *, wait_seconds: float = 2.0) -> Iterator[None]:
        """Conduct the run for as long as this lasts; raises `RunUnderWay` if another process does.

        Whoever looks whether it is conducted holds the lock for a moment: hence the wait.
        """
        descriptor = os.open(self.directory / "conducting", os.O_RDWR | os.O_CREAT, 0o600)
        ends_at = time.monotonic() + wait_seconds
        try:
            while not _locked(descriptor):
                if time.monotonic() >= ends_at:
                    raise RunUnderWay(f"{self.run_id} is being conducted by another process")
                time.sleep(_LOOK_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def is_conducted(self) -> bool:
        """Whether some process conducts the run at this moment."""
        try:
            with self.conducting(wait_seconds=0.0):
                return False
        except RunUnderWay:
            return True

    def _json(self, name: str) -> dict[str, Any] | None:
        data = self.read(name)
        values: dict[str, Any] | None = None if data is None else json.loads(data)
        return values


def last_news(bureau: Path, run_id: str) -> dict[str, Any]:
    """What the progress file of a run says last of each kind; nothing is made to look at it.

    It alone is not there whole or not at all: a line that was cut off is left out.
    """
    news: dict[str, Any] = {}
    try:
        lines = (run_directory(bureau, run_id) / PROGRESS).read_bytes().splitlines()
    except FileNotFoundError:
        return news
    for line in lines:
        try:
            news |= msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return news


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
