"""The bureau keeps its runs going: starts them, takes them up when they stop, and records what came of them.

    keeper = RunKeeper(records, link.control(), registry, bureau=home.directory)
    keeper.serve(stop)                       a pass over all open runs, every second

A run's state is in the database, written before what it announces is done. Who is killed does it again:

| state     | what is done                    | killed here, the next pass                            | becomes        |
|-----------|---------------------------------|-------------------------------------------------------|----------------|
| proposed  | the run's directory is made     | makes it again, the same                              | starting       |
| starting  | Flower is told to start it      | looks whether somebody conducts it; if not, starts it | running        |
| running   | a server app conducts it        | goes on to watch                                      | see below      |
| recording | its model is proposed, the card | proposes the same model again, which changes nothing  | finished;      |
|           | made                            |                                                       | failed if none |
|           |                                 |                                                       | can be made    |
| finished  | nothing, nor of one that was    | has nothing to do                                     |                |
|           | refused or has failed           |                                                       |                |

Two server apps never conduct one run: whoever does holds the lock in its directory, the other ends at once. So it is
harmless to start one too many, and whether a run is alive is read off the lock, not off Flower.

What a run that stopped becomes, by why it did (`failure` in its directory; nothing if its process was killed):

| why                                                      | then                                                    |
|----------------------------------------------------------|---------------------------------------------------------|
| a participant wants no part in it                        | refused                                                 |
| too little protection, bad data, nobody approved in time | failed                                                  |
| participants are not connected                           | starting, for as long as approvals may take; then,      |
|                                                          | unless all have been introduced, failed                 |
| a refusal in the set-up for any other reason             | starting as the next attempt; after the last, failed    |
| anything else: killed, lost, refused in training         | starting again, from where it stopped; a bounded number |
|                                                          | of times without a finished round in between            |
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from coordinator.errors import ApprovalsMissing, DirectoryIncomplete, ParticipantRefused, ParticipantsLost
from coordinator.flower.control import FINISHED, RunStatus
from coordinator.registry import VERSION_DIGITS
from coordinator.runs.checkpoint import CheckpointStore
from coordinator.runs.model_cards import model_card, titles_of
from coordinator.runs.run_directory import AS_USUAL, ConductSettings, RunDirectory
from coordinator.runs.run_records import RunRecord, RunRecords, RunState
from crypto.errors import YurongError
from crypto.identifiers import ModelVersion, ParticipantId, RunId
from models.hosting.clock import Clock, SystemClock
from models.hosting.errors import DatabaseUnusable
from models.wire.app_bundle import release
from models.wire.plan import MAXIMUM_ATTEMPTS, RunPlan
from models.wire.setup import MeetRequest
from models.wire.transport import Refusal

MAXIMUM_RESTARTS: Final = 5
POLL_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 60.0
"""How long Flower may say that a run goes on that nobody conducts, before it counts as stopped."""

HOPELESS: Final = frozenset(
    {"ProtectionUnavailable", "TooFewMembers", "InvalidModelInput", "UntrustedKey", "SignatureInvalid"}
)
"""Why a participant refuses whatever is asked of it in this run, and in any other attempt of it."""

ABSENT: Final = frozenset({DirectoryIncomplete.__name__, ParticipantsLost.__name__})
"""How a run ends for which somebody was waited for in vain."""

_log = logging.getLogger("yurong.runs")


class Starter(Protocol):
    """What starts server apps: `coordinator.flower.control.Control`."""

    def start(self, run: str, *, resume: bool = False) -> int:
        """Start one; return its id."""
        ...

    def status(self, flower_run: int) -> RunStatus:
        """How it goes."""
        ...

    def stop(self, flower_run: int) -> None:
        """Stop it."""
        ...


class Models(Protocol):
    """Where models go: `coordinator.registry.ModelRegistry`."""

    def propose(
        self, version: ModelVersion, manifest: bytes, card: str, documents: Mapping[ParticipantId, bytes]
    ) -> None:
        """Take in a model; again changes nothing."""
        ...


TakePart = Callable[[RunId, Sequence[bytes]], None]
"""Has the log say which departments take part in a run."""


def unlogged(_run: RunId, _permissions: Sequence[bytes]) -> None:
    """There is no log."""


class RunKeeper:
    """Keeps the runs of one bureau going. One process at a time does; it may be killed at any moment.

    `settings` are those of every run that it starts; `restarts`: how often a run is started again without progress.
    `take_part` is given what departments have signed for the log.
    """

    def __init__(
        self,
        records: RunRecords,
        starter: Starter,
        models: Models,
        *,
        bureau: Path,
        settings: ConductSettings = AS_USUAL,
        restarts: int = MAXIMUM_RESTARTS,
        take_part: TakePart = unlogged,
        clock: Clock | None = None,
    ) -> None:
        self._records = records
        self._take_part = take_part
        self._starter = starter
        self._models = models
        self._bureau = bureau
        self._settings = settings
        self._restarts = restarts
        self._clock = clock or SystemClock()
        self._silent_since: dict[str, float] = {}
        self._held_up: dict[str, str] = {}  # by which fault, so that the log has it once

    def serve(self, stop: threading.Event, *, poll_seconds: float = POLL_SECONDS) -> None:
        """Keep all runs going until told to stop. What goes wrong with one pass is tried again in the next."""
        while not stop.is_set():
            try:
                self.step()
            except Exception:  # noqa: BLE001 - a fault of ours; the next pass may do better
                _log.exception("runs are not looked after")
            stop.wait(poll_seconds)

    def step(self) -> None:
        """One pass over all open runs; one that is held up, by a SuperLink that is down say, waits for the next.

        Whatever holds up one run, a fault of ours even, the others go on.
        """
        for record in self._records.open():
            try:
                self._advance(record)
            except Exception as fault:  # noqa: BLE001 - a fault over one run is not the others'
                self._note(record, fault)
            else:
                self._held_up.pop(record.run_id, None)

    def _note(self, record: RunRecord, fault: Exception) -> None:
        """Say what holds up a run, when that changes. Of what was not expected the text may quote somebody's data."""
        why = fault.message if isinstance(fault, YurongError) else type(fault).__name__
        if self._held_up.get(record.run_id) != why:
            self._held_up[record.run_id] = why
            _log.warning("run %s waits: %s", record.run_id, why)

    def _advance(self, record: RunRecord) -> None:
        match record.state:
            case RunState.PROPOSED:
                self._prepare(record, attempt=1)
            case RunState.STARTING:
                self._start(record)
            case RunState.RUNNING:
                self._watch(record)
            case RunState.RECORDING:
                self._record(record)
            case _:
                pass

    def _prepare(self, record: RunRecord, *, attempt: int) -> None:
        """Make the directory of an attempt, then say that it is to be started."""
        plan = record.plan.as_attempt(attempt)
        RunDirectory.of(self._bureau, plan.run_id).write_plan(plan, self._settings)
        self._records.change(record, state=RunState.STARTING, attempt=attempt, restarts=0, flower_run=None)

    def _start(self, record: RunRecord) -> None:
        files = self._files(record)
        if files.result() is not None:
            self._records.change(record, state=RunState.RECORDING)
            return
        rounds, flower_run = self._finished_rounds(files), None
        if not files.is_conducted():
            files.remove("failure")
            # It may have been begun before this process was killed, so it always goes on from wherever it stopped.
            flower_run = self._starter.start(files.run_id, resume=True)
        self._silent_since[record.run_id] = self._clock.now()
        self._records.change(record, state=RunState.RUNNING, rounds=rounds, flower_run=flower_run)

    def _log(self, record: RunRecord) -> None:
        """Have the log say who takes part: before anything else becomes of the run, and again rather than never."""
        files = self._files(record)
        if permissions := files.permissions():
            self._take_part(record.run_id, permissions)
            files.permissions_logged()

    def _watch(self, record: RunRecord) -> None:
        self._log(record)
        files = self._files(record)
        if files.result() is not None:
            self._records.change(record, state=RunState.RECORDING)
        elif files.is_conducted():
            self._silent_since[record.run_id] = self._clock.now()
        elif not self._may_yet_come(record):
            # Looked at again: it may have ended well while Flower was asked.
            self._stopped(record, files) if files.result() is None else None

    def _may_yet_come(self, record: RunRecord) -> bool:
        """Whether Flower goes on with a run that nobody conducts at this moment: it has to start a process first."""
        if record.flower_run is None:
            return False
        ended = self._starter.status(record.flower_run).status == FINISHED
        since = self._silent_since.setdefault(record.run_id, self._clock.now())
        if not ended and self._clock.now() - since >= SILENT_SECONDS:
            self._starter.stop(record.flower_run)
            return False
        return not ended

    def _stopped(self, record: RunRecord, files: RunDirectory) -> None:
        """Decide what becomes of a run that stopped."""
        failure = files.failure() or {"error": "", "message": "its process ended", "participant": "", "code": ""}
        reason = str(failure["message"])
        rounds = self._finished_rounds(files)
        restarts = 1 if rounds > record.rounds else record.restarts + 1
        in_setup = not CheckpointStore(files.directory).exists
        _log.warning("run %s stopped: %s", files.run_id, reason)
        if failure["code"] == Refusal.RUN_REFUSED:
            self._records.change(record, state=RunState.REFUSED, reason=reason)
        elif _is_hopeless(failure, in_setup=in_setup):
            self._records.change(record, state=RunState.FAILED, reason=reason)
        elif failure["error"] == DirectoryIncomplete.__name__ and self._may_wait(record):
            self._records.change(record, state=RunState.STARTING, reason=reason)
        elif failure["error"] in ABSENT and files.introduction() is None and not self._may_wait(record):
            self._records.change(record, state=RunState.FAILED, reason=reason)
        elif in_setup and failure["error"] == ParticipantRefused.__name__:
            if record.attempt >= MAXIMUM_ATTEMPTS:
                self._records.change(record, state=RunState.FAILED, reason=reason)
            else:
                self._prepare(record, attempt=record.attempt + 1)
        elif restarts > self._restarts:
            self._records.change(record, state=RunState.FAILED, reason=reason)
        else:
            self._records.change(record, state=RunState.STARTING, restarts=restarts, rounds=rounds, reason=reason)

    def _record(self, record: RunRecord) -> None:
        """Propose the model that came of a run. One of which no model can be made has failed, and holds up nothing."""
        self._log(record)
        files = self._files(record)
        result, introduction = files.result(), files.introduction()
        if result is None or introduction is None:
            self._records.change(record, state=RunState.FAILED, reason="its files are gone")
            return
        try:
            version = self._propose(record.plan, result, introduction)
        except DatabaseUnusable:  # it may be better the next time
            raise
        except Exception as fault:  # noqa: BLE001 - what a participant said must not stop the bureau, whatever it is
            why = fault.message if isinstance(fault, YurongError) else type(fault).__name__
            self._records.change(record, state=RunState.FAILED, reason=f"no model can be made of its result: {why}")
            _log.error("no model can be made of what run %s has come to: %s", files.run_id, why)
            return
        self._records.change(record, state=RunState.FINISHED, reason=None)
        _log.info("run %s has come to model %s", files.run_id, version)

    def _propose(self, plan: RunPlan, result: Mapping[str, Any], introduction: MeetRequest) -> ModelVersion:
        """The version of the model that is proposed."""
        manifest = str(result["manifest"]).encode()
        version = ModelVersion(hashlib.sha256(manifest).hexdigest()[:VERSION_DIGITS])
        documents = {ParticipantId(one.participant): one.payload for one in introduction.documents}
        card = model_card(
            plan,
            result,
            version=version,
            titles=titles_of(documents),
            created=str(result["ended_at"]),
            software={"yurong": release()},
        )
        self._models.propose(version, manifest, card.to_json(), documents)
        return version

    def _may_wait(self, record: RunRecord) -> bool:
        return self._clock.now() < record.created_at + self._settings.approval_seconds

    def _files(self, record: RunRecord) -> RunDirectory:
        return RunDirectory.of(self._bureau, record.plan.run_id)

    def _finished_rounds(self, files: RunDirectory) -> int:
        checkpoints = CheckpointStore(files.directory)
        return len(checkpoints.load().rounds) if checkpoints.exists else 0


def _is_hopeless(failure: Mapping[str, Any], *, in_setup: bool) -> bool:
    """Whether no further attempt and no restart can help."""
    if failure["error"] == ParticipantRefused.__name__:
        return failure["code"] in HOPELESS
    # What the bureau itself finds wrong with the banks' answers to the plan.
    return failure["error"] in {*HOPELESS, ApprovalsMissing.__name__} or (in_setup and failure["error"] == "PeerError")
