"""A participant's process is killed after every write of every step: the run ends with the same model all the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from coordinator.errors import ParticipantRefused, ParticipantsLost
from coordinator.flower.bus import Poll
from coordinator.runs import training
from coordinator.runs.conduct import Conductor
from coordinator.runs.run_directory import RunDirectory
from crypto.identifiers import ParticipantId, RequestId, RunId
from models.hosting.storage.database import Database
from models.wire.plan import MAXIMUM_ATTEMPTS, RunPlan
from models.wire.steps import Step
from models.wire.transport import RequestHeader
from participants.bank import exposure
from participants.bank.attempts import Attempts
from participants.bank.exposure import OpenedNumbers
from participants.flower.client_app import _handle_once, open_home
from participants.flower.replies import Outcome, ReplyStore
from participants.node import Node
from participants.runs.run_store import RunStore
from simulations.founding import FoundedFederation, found
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS, SmallFederation

TWO_ROUNDS = replace(SETTINGS, maximum_rounds=2)
LAND, EAST = ParticipantId("land"), ParticipantId("bank-east")


class Killed(BaseException):
    """The end of a participant's process: no `except Exception` stops it."""


@dataclass
class Reaper:
    """Kills a process after its first write of a step, the next time after the second, until all were struck."""

    victims: frozenset[ParticipantId]
    writes: int = 0
    struck: dict[tuple[ParticipantId, str], int] = field(default_factory=dict)
    survived: set[tuple[ParticipantId, str]] = field(default_factory=set)
    _now: tuple[ParticipantId, str] | None = None

    def wrote(self) -> None:
        """Something is on the disk now."""
        if self._now is None:
            return
        self.writes += 1
        if self.writes > self.struck.get(self._now, 0):
            self.struck[self._now] = self.writes
            raise Killed

    def over(self, name: ParticipantId, kind: str, act: Callable[[], Outcome]) -> Outcome:
        """Let a step be handled that was asked for the first time."""
        if name in self.victims and (name, kind) not in self.survived:
            self._now, self.writes = (name, kind), 0
        try:
            outcome = act()
            if self._now is not None and not outcome.refusal:
                self.survived.add(self._now)
            return outcome
        finally:
            self._now = None


class MortalBus:
    """Brings each request to its participant at once; sends it again to one that was killed, as the bus does."""

    def __init__(self, federation: FoundedFederation, reaper: Reaper) -> None:
        self._homes, self._reaper = federation.homes, reaper

    def poll(self, kind: str, requests: Mapping[ParticipantId, bytes], **named: Any) -> Poll:
        request_id: RequestId = named["request_id"]
        header = RequestHeader(kind=kind, request_id=request_id)
        outcomes = {name: self._ask(name, header, body) for name, body in requests.items()}
        return Poll(
            replies={name: outcome.body for name, outcome in outcomes.items() if not outcome.refusal},
            refusals={name: outcome.refusal for name, outcome in outcomes.items() if outcome.refusal},
            lost={},
        )

    def call(self, kind: str, requests: Mapping[ParticipantId, bytes], **named: Any) -> dict[ParticipantId, bytes]:
        said = self.poll(kind, requests, **named)
        for name, code in said.refusals.items():
            raise ParticipantRefused(name, code, said.replies)
        return said.replies

    def wait_for(self, names: Iterable[ParticipantId], *, seconds: float) -> None:
        assert set(names) <= set(self._homes)
        assert seconds == 0

    def _ask(self, name: ParticipantId, header: RequestHeader, body: bytes) -> Outcome:
        home = self._homes[name]

        def handle() -> Outcome:
            return _handle_once(header, body, home, open_home)

        try:
            return self._reaper.over(name, header.kind, handle)
        except Killed:
            Node.forget(home)
            return handle()


class Timeless:
    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        assert seconds == 0


def conduct(federation: FoundedFederation, bus: MortalBus, plan: RunPlan) -> dict[str, Any]:
    """Conduct a run as a bureau keeps it going: on from where it stopped, or in another attempt of its set-up."""
    attempt = 1
    for _ in range(40):
        directory = federation.directory / "bureau" / plan.as_attempt(attempt).run_id
        conductor = Conductor(
            bus=bus,  # type: ignore[arg-type]
            directory=directory,
            clock=Timeless(),
            watch=lambda _news: None,
        )
        RunDirectory(directory)
        try:
            return conductor.go_on(plan.as_attempt(attempt))
        except (ParticipantRefused, ParticipantsLost):
            if not (directory / "checkpoint").exists():
                attempt += 1
            if attempt > MAXIMUM_ATTEMPTS:  # more deaths than one run bears
                plan, attempt = replace(plan, run_id=f"{plan.run_id}-again"), 1
    raise AssertionError("the run does not come to an end")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Reaper:
    """A reaper that sees every write: files that take their place, claims, replies, and what a database commits."""
    reaper = Reaper(frozenset({LAND, EAST}))

    def then_wrote(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*arguments: Any, **named: Any) -> Any:
            done = act(*arguments, **named)
            reaper.wrote()
            return done

        return acting

    begin = Database.begin

    @contextmanager
    def committing(database: Database) -> Iterator[Any]:
        with begin(database) as connection:
            yield connection
        reaper.wrote()

    replacing = Path.replace

    def replaced(path: Path, target: Path) -> Path:
        done = replacing(path, target)
        if target.parent.name != "replies":  # between a claim and its reply it makes no difference when one dies
            reaper.wrote()
        return done

    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(os, "fdatasync", then_wrote(os.fdatasync))
    monkeypatch.setattr(ReplyStore, "claim", then_wrote(ReplyStore.claim))
    monkeypatch.setattr(ReplyStore, "settle", then_wrote(ReplyStore.settle))
    monkeypatch.setattr(Database, "begin", committing)
    return reaper


def test_a_participant_that_is_killed_after_any_write_changes_nothing_of_the_model(
    tmp_path: Path, watched: Reaper, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = found(SmallFederation(departments=3, borrowers_per_bank=320).make(), tmp_path)
    undisturbed = plan_run(federation, TWO_ROUNDS, purpose="undisturbed")
    honest = conduct(federation, MortalBus(federation, Reaper(frozenset())), undisturbed)
    # The bounds on what may be tried again would end this run: it is tried again dozens of times.
    monkeypatch.setattr(training, "LOSSES_BEFORE_LEAVING_OUT", 1000)
    monkeypatch.setattr(exposure, "ROWS_PER_ROUND_AND_PARAMETER", 0)
    ready: list[Path] = []
    opened = Attempts.open

    def counted(attempts: Attempts, turn: Any) -> None:
        opened(attempts, turn)
        ready.append(attempts._store._directory)

    monkeypatch.setattr(Attempts, "open", counted)
    result = conduct(federation, MortalBus(federation, watched), plan_run(federation, TWO_ROUNDS, purpose="killed"))

    assert {step for _, step in watched.struck} == set(Step)
    assert sum(watched.struck.values()) > 3 * len(Step)
    objectives = [[one["objective"] for one in run["rounds"]] for run in (honest, result)]
    assert objectives[1] == pytest.approx(objectives[0], rel=1e-9)
    assert result["metrics"]["held_out"]["auc"] == pytest.approx(honest["metrics"]["held_out"]["auc"], abs=1e-6)
    assert result["scores"] == honest["scores"]
    # What was ready to be answered counts, and nothing that died before it was: but for the death right after it.
    for bank in federation.banks:
        directory = federation.homes[bank] / "runs" / result["run_id"]
        blocks = {
            name: block["parameters"] for name, block in result["blocks"].items() if name in federation.departments
        }
        numbers = OpenedNumbers(RunStore(directory.parent, RunId(result["run_id"]))).numbers()
        assert numbers == {name: size * (ready.count(directory) + (bank == EAST)) for name, size in blocks.items()}
