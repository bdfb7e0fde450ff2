"""A department's side of a run: which part of it answers which step."""

from __future__ import annotations

from functools import cached_property

from crypto.errors import PeerError
from crypto.lattice.workers import LatticeWorkers
from models.wire.binning import BinRequest
from models.wire.codec import WireMessage
from models.wire.outcome import ActivateRequest, FinishRequest
from models.wire.permission import takes_part
from models.wire.plan import RunPlan, attempt_of
from models.wire.scoring import PartialsRequest
from models.wire.setup import BlindedRequest, CohortRequest, JoinReply, JoinRequest, MeetReply, MeetRequest
from models.wire.training import DirectionRequest, GradientRequest
from participants.department.aligner import DepartmentAligner
from participants.department.binner import DepartmentBinner
from participants.department.finisher import DepartmentFinisher
from participants.department.partials import PartialsGiver
from participants.department.trainer import DepartmentTrainer
from participants.department.unfinished_import import open_records
from participants.runs.run import Run


class DepartmentSide:
    """One department in one run."""

    def __init__(self, run: Run, workers: LatticeWorkers) -> None:
        self._run = run
        self._workers = workers
        self._register = open_records(run.home)

    def answer(self, request: WireMessage) -> WireMessage:  # noqa: C901, PLR0911 - a table of steps
        """Answer one step; raises a `YurongError` to refuse."""
        match request:
            case JoinRequest():
                return self._join(RunPlan.decode(request.plan))
            case MeetRequest():
                self._run.meet(request)
                return MeetReply(blinded=b"", group_keys=())
            case BlindedRequest():
                return self._aligner.answer_blinded(request)
            case CohortRequest():
                return self._aligner.take_cohort(request)
            case BinRequest():
                return DepartmentBinner(self._run, self._register).bin()
            case GradientRequest():
                return self._trainer.gradient(request)
            case DirectionRequest():
                return self._trainer.direction(request)
            case FinishRequest():
                return self._finisher.finish(request)
            case ActivateRequest():
                return self._finisher.activate(request)
            case PartialsRequest():
                return PartialsGiver(self._run, self._workers).give(request)
            case _:
                raise PeerError("a department does not answer this step")

    def _join(self, plan: RunPlan) -> JoinReply:
        self._run.begin(plan)
        home, run_id = self._run.home, attempt_of(plan.run_id)[0]
        return JoinReply(
            document=home.document(),
            permission=takes_part(home.participant_id, run_id, home.identity(), at=int(home.clock.now())),
            lattice_key=b"",
            bank_features=(),
        )

    @cached_property
    def _aligner(self) -> DepartmentAligner:
        return DepartmentAligner(self._run, self._register)

    @cached_property
    def _trainer(self) -> DepartmentTrainer:
        return DepartmentTrainer(self._run, self._workers)

    @cached_property
    def _finisher(self) -> DepartmentFinisher:
        return DepartmentFinisher(self._run, self._register, self._trainer)
