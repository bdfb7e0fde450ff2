"""Which message each step's request is."""

from __future__ import annotations

from crypto.errors import PeerError
from crypto.identifiers import RunId
from models.wire.binning import BinRequest, SummedWords
from models.wire.codec import WireMessage
from models.wire.outcome import ActivateRequest, ConcludeRequest, EvaluateRequest, FinishRequest
from models.wire.plan import RunPlan
from models.wire.scoring import AskScoresRequest, OpenScoresRequest, PartialsRequest
from models.wire.setup import BlindedRequest, CohortRequest, JoinRequest, MeetRequest, OrderRequest
from models.wire.steps import Step
from models.wire.training import (
    BeginRequest,
    DirectionRequest,
    GradientRequest,
    NewtonRequest,
    OpenRequest,
    SearchRequest,
    Turn,
)

REQUESTS: dict[Step, type[WireMessage]] = {
    Step.JOIN: JoinRequest,
    Step.MEET: MeetRequest,
    Step.ANSWER_BLINDED: BlindedRequest,
    Step.ORDER_COHORT: OrderRequest,
    Step.TAKE_COHORT: CohortRequest,
    Step.BIN_DEPARTMENT: BinRequest,
    Step.BIN_BANK: BinRequest,
    Step.CURVE_BANK: SummedWords,
    Step.BEGIN: BeginRequest,
    Step.GRADIENT: GradientRequest,
    Step.OPEN: OpenRequest,
    Step.DIRECTION: DirectionRequest,
    Step.SEARCH: SearchRequest,
    Step.NEWTON: NewtonRequest,
    Step.EVALUATE: EvaluateRequest,
    Step.CONCLUDE: ConcludeRequest,
    Step.FINISH: FinishRequest,
    Step.ACTIVATE: ActivateRequest,
    Step.ASK_SCORES: AskScoresRequest,
    Step.GIVE_PARTIALS: PartialsRequest,
    Step.OPEN_SCORES: OpenScoresRequest,
}


def read_request(kind: str, body: bytes) -> WireMessage:
    """The request that arrived as a step's body; raises `PeerError` for an unknown step and `MalformedMessage`."""
    try:
        step = Step(kind)
    except ValueError:
        raise PeerError("there is no such step") from None
    return REQUESTS[step].decode(body)


def run_of(request: WireMessage) -> RunId:
    """The run that a request belongs to."""
    if isinstance(request, JoinRequest):
        return RunPlan.decode(request.plan).run
    turn = getattr(request, "turn", None)
    name = turn.run_id if isinstance(turn, Turn) else getattr(request, "run_id", "")
    return parse_run_id(str(name))


def parse_run_id(text: str) -> RunId:
    """A run id that may serve as a folder's name; raises `PeerError`."""
    if not text or len(text) > 64 or not set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"):
        raise PeerError("a run id is 1 to 64 lower-case letters, digits and hyphens")
    return RunId(text)
