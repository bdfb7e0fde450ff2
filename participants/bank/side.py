"""A bank's side of a run: which part of it answers which step."""

from __future__ import annotations

from functools import cached_property

from crypto.errors import PeerError
from crypto.lattice.workers import LatticeWorkers
from models.wire.binning import BinRequest, SummedWords
from models.wire.codec import WireMessage
from models.wire.outcome import ActivateRequest, ConcludeRequest, EvaluateRequest, FinishRequest
from models.wire.plan import RunPlan
from models.wire.scoring import AskScoresRequest, OpenScoresRequest
from models.wire.setup import JoinReply, JoinRequest, MeetReply, MeetRequest, OrderReply, OrderRequest
from models.wire.training import BeginRequest, NewtonRequest, OpenRequest, SearchRequest
from participants.bank.aligner import BankAligner
from participants.bank.binner import BankBinner
from participants.bank.book import BankBook
from participants.bank.cohort import BankCohort
from participants.bank.evaluator import BankEvaluator
from participants.bank.finisher import BankFinisher
from participants.bank.group import BankGroup
from participants.bank.scores import BankScores
from participants.bank.trainer import BankTrainer
from participants.keys import BankKeys
from participants.runs.run import Run


class BankSide:
    """One bank in one run."""

    def __init__(self, run: Run, workers: LatticeWorkers) -> None:
        self._run = run
        self._workers = workers
        self._book = BankBook(run.home.directory / "data")

    def answer(self, request: WireMessage) -> WireMessage:  # noqa: C901, PLR0911, PLR0912 - a table of steps
        """Answer one step; raises a `YurongError` to refuse."""
        match request:
            case JoinRequest():
                return self._join(RunPlan.decode(request.plan))
            case MeetRequest():
                return self._meet(request)
            case OrderRequest():
                return self._order(request)
            case BinRequest():
                return self._binner.count()
            case SummedWords():
                return self._binner.cut(request)
            case BeginRequest():
                return self._trainer.begin(request)
            case OpenRequest():
                return self._trainer.open(request)
            case SearchRequest():
                return self._trainer.search(request)
            case NewtonRequest():
                return self._trainer.newton(request)
            case EvaluateRequest():
                return self._evaluator.evaluate(request)
            case ConcludeRequest():
                return self._evaluator.conclude(request)
            case FinishRequest():
                return self._finisher.finish(request)
            case ActivateRequest():
                return self._finisher.activate(request)
            case AskScoresRequest():
                return self._scores.ask(request)
            case OpenScoresRequest():
                return self._scores.open(request)
            case _:
                raise PeerError("a bank does not answer this step")

    def _join(self, plan: RunPlan) -> JoinReply:
        self._run.begin(plan)
        return JoinReply(
            document=self._run.home.document(),
            permission=b"",
            lattice_key=self._keys.public_lattice_keys().encode(),
            bank_features=self._feature_names(),
        )

    def _meet(self, request: MeetRequest) -> MeetReply:
        if request.bank_features != self._feature_names():
            raise PeerError("the banks of this run do not share this bank's features")
        self._run.meet(request)
        return MeetReply(blinded=self._aligner.blind(), group_keys=BankGroup(self._run).make_key())

    def _order(self, request: OrderRequest) -> OrderReply:
        BankGroup(self._run).take_key(request.group_key)
        return self._aligner.order_cohort(request)

    def _feature_names(self) -> tuple[str, ...]:
        """The bank's own features, with the categories of those that have some: what banks must agree on."""
        return tuple(
            item.name + (f" ({len(item.allowed)} categories)" if item.allowed else "")
            for item in self._book.contract.features
        )

    @cached_property
    def _keys(self) -> BankKeys:
        return self._run.home.bank_keys()

    @cached_property
    def _aligner(self) -> BankAligner:
        return BankAligner(self._run, self._book)

    @cached_property
    def _cohort(self) -> BankCohort:
        return BankCohort(self._run, self._book)

    @cached_property
    def _binner(self) -> BankBinner:
        return BankBinner(self._run, self._book.contract, self._cohort)

    @cached_property
    def _trainer(self) -> BankTrainer:
        return BankTrainer(self._run, self._cohort, self._binner, self._keys.training, self._workers)

    @cached_property
    def _evaluator(self) -> BankEvaluator:
        return BankEvaluator(self._run, self._cohort, self._trainer)

    @cached_property
    def _finisher(self) -> BankFinisher:
        return BankFinisher(self._run, self._trainer)

    @cached_property
    def _scores(self) -> BankScores:
        return BankScores(self._run, self._book, self._keys.scoring, self._workers)
