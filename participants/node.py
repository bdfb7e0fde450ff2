"""A participant's node: opens its home and answers the steps of a run in its role.

Handling a step needs nothing in memory: what it needs is read from the home, so it does not matter in which process it
is handled. What can be kept warm is. Nothing is answered of a run that was not approved and begun here
(`approvals.py`); steps of a run's set-up are taken once and answered as often as they are asked for
(`setup_answers.py`).

A process may be killed at any moment. What then holds, by what it was handling:

| step                  | killed before its answer was kept             | asked for again                            |
|-----------------------|-----------------------------------------------|--------------------------------------------|
| JOIN                  | nothing was begun, or all of it               | the same answer                            |
| set-up, without masks | nothing has left; its pieces are overwritten  | an answer; from then on that one           |
| set-up, with masks    | masks may count as used                       | the answer, or refused: a new attempt      |
| a step of a round     | masks and opened numbers may be spent         | refused: a new attempt of the round        |
| EVALUATE              | masks may count as used                       | refused: another evaluation, of few        |
| CONCLUDE, FINISH,     | the same pieces are made of the same          | the same answer                            |
| ACTIVATE              |                                               |                                            |
| scores of many        | masks may count as used                       | the answer, or refused: another batch      |
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final, Protocol

from crypto.identifiers import Role, RunId
from models.hosting.trust.passphrase import read_passphrase
from models.wire.codec import WireMessage
from models.wire.plan import RunPlan
from models.wire.requests import read_request, run_of
from models.wire.setup import JoinRequest
from models.wire.steps import Step
from participants.bank.side import BankSide
from participants.department.side import DepartmentSide
from participants.home import Home
from participants.runs.approvals import Approvals
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from participants.runs.run_store import RunStore
from participants.runs.setup_answers import SETUP_STEPS, SetupAnswers
from participants.workers import shared_workers

_USES_FEATURES: Final = frozenset({Step.BIN_DEPARTMENT, Step.BIN_BANK})
_SIDES_KEPT: Final = 2
"""Each holds a whole table of records: one run and the one after it."""


class Side(Protocol):
    """One role's side of one run."""

    def answer(self, request: WireMessage) -> WireMessage:
        """Answer a step; raises a `YurongError` to refuse."""
        ...


class Node:
    """One participant."""

    _opened: ClassVar[dict[Path, Node]] = {}
    _opening: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, home: Home) -> None:
        self.home = home
        self._identity = home.identity()
        self._ledger = FileLedger(home.directory / "ledger")
        self._approvals = Approvals.open(home)
        self._sides: OrderedDict[RunId, Side] = OrderedDict()

    @classmethod
    def open(cls, directory: Path) -> Node:
        """The node of a home, opened once a process."""
        with cls._opening:
            if directory not in cls._opened:
                cls._opened[directory] = cls(Home.open(directory, passphrase=read_passphrase()))
            return cls._opened[directory]

    @classmethod
    def forget(cls, directory: Path) -> None:
        """Drop what is kept warm of a home, as the end of its process would."""
        with cls._opening:
            forgotten = cls._opened.pop(directory, None)
        if forgotten is not None:
            forgotten.close()

    def close(self) -> None:
        """Close the connections of its database; they open again when they are needed."""
        self._approvals.close()

    def handle(self, kind: str, body: bytes) -> bytes:
        """Answer one step; raises a `YurongError` to refuse."""
        request = read_request(kind, body)
        run_id = run_of(request)
        with self._one_at_a_time():
            if isinstance(request, JoinRequest):
                self._approvals.admit(RunPlan.decode(request.plan))
            else:
                self._approvals.require_begun(run_id)
            side, step = self._side(run_id), Step(kind)
            if step not in SETUP_STEPS:
                return side.answer(request).encode()
            answers = SetupAnswers(RunStore(self.home.directory / "runs", run_id))
            return answers.answer(step, body, lambda: self._take(step, side, request))

    def _take(self, step: Step, side: Side, request: WireMessage) -> bytes:
        """Take a step of a set-up that was not answered before."""
        if step in _USES_FEATURES:
            self._approvals.require_same_features(run_of(request))
        return side.answer(request).encode()

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        """Steps count, and refuse, by what is on disk: no thread and no process takes one beside another's."""
        descriptor = os.open(self.home.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # of this opening: it keeps threads apart as well
            yield
        finally:
            os.close(descriptor)

    def _side(self, run_id: RunId) -> Side:
        if run_id not in self._sides:
            run = Run(self.home, self._identity, self._ledger, run_id)
            side = BankSide if self.home.role is Role.BANK else DepartmentSide
            self._sides[run_id] = side(run, shared_workers())
        self._sides.move_to_end(run_id)
        while len(self._sides) > _SIDES_KEPT:
            self._sides.popitem(last=False)
        return self._sides[run_id]
