"""Flower's `Grid` in this process: one thread a participant, and every message really serialised in both directions.

The server app and the client app cannot tell it from a SuperLink with SuperNodes: messages are deflated to Flower's
content-addressed objects and inflated on the other side, a participant handles one message at a time, nodes have the
participants' names, and an exception of the client app arrives as its text, as Flower sends it. What it adds: faults,
and a recorder that is shown all that reaches the bureau.
"""

import contextlib
import os
import queue
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, Self, cast

import numpy as np
from flwr.app import Context, Error, Message, Metadata, RecordDict
from flwr.app.message import make_message
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from coordinator.runs.run_directory import BUREAU_VARIABLE
from crypto.identifiers import ParticipantId
from models.wire.app_bundle import RESUME_KEY, RUN_KEY
from participants.flower.client_app import app as participants_app
from participants.flower.training import HOME_KEY
from simulations.engines.errors import RunFailed
from simulations.engines.faults import Fault, FaultAction, ParticipantFaults, faults_by_participant
from simulations.engines.outcome import Outcome, ProgressReader
from simulations.engines.parcels import Parcel, pack, payload_of
from simulations.engines.run_settings import write_run_settings

RUN_ID: Final = 1
TASK_ID: Final = 1
BUREAU: Final = "bureau"
_PULL_WAIT_SECONDS: Final = 0.25


class Recorder(Protocol):
    """Is shown every message that passes the bureau, in the order in which it passes. Calls do not overlap."""

    def __call__(self, sender: str, receiver: str, kind: str, payload: bytes, serialised_bytes: int, /) -> None:
        """One message: `payload` is its body, a refusal's code or an error's text; the size is with headers."""


@dataclass(slots=True)
class _Participant:
    name: ParticipantId
    node_id: int
    context: Context
    faults: ParticipantFaults
    inbox: "queue.SimpleQueue[Parcel | None]" = field(default_factory=queue.SimpleQueue)
    thread: threading.Thread | None = None
    alive: bool = True
    silent: bool = False


class LocalGrid(Grid):
    """Participants in threads of this process. Use it as a context manager, or `close` it.

    `homes`: directory by participant. `client_app` is the participants' own unless a test has another. `faults` are
    drawn with `rng` where they are not certain. `recorder` is shown all that passes the bureau.
    """

    def __init__(
        self,
        homes: Mapping[ParticipantId, Path],
        *,
        client_app: ClientApp = participants_app,
        faults: Sequence[Fault] = (),
        rng: np.random.Generator | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        dealt = faults_by_participant(faults, homes, rng or np.random.default_rng(0))
        self._client_app = client_app
        self._recorder = recorder
        self._run = Run.create_empty(RUN_ID)
        self._arrival = threading.Condition()
        self._arrived: dict[str, Parcel] = {}
        self._participants: dict[int, _Participant] = {}
        for node_id, name in enumerate(sorted(homes), start=SUPERLINK_NODE_ID + 1):
            node_config: UserConfig = {HOME_KEY: str(homes[name])}
            context = Context(RUN_ID, node_id, node_config, RecordDict(), {})
            self._participants[node_id] = _Participant(name, node_id, context, dealt[name])
            self._start(self._participants[node_id])
        # Flower makes messages only where a task is running; this process is the server app's.
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = TASK_ID, RUN_ID, SUPERLINK_NODE_ID

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self, *, timeout_seconds: float = 10.0) -> None:
        """Let every participant finish what it is handling, and end."""
        for participant in self._participants.values():
            participant.inbox.put(None)
        for participant in self._participants.values():
            if participant.thread is not None:
                participant.thread.join(timeout_seconds)

    def kill(self, name: ParticipantId) -> None:
        """End a participant; it is reported unavailable from now on."""
        participant = self._named(name)
        participant.alive = False

    def revive(self, name: ParticipantId) -> None:
        """Start a participant that was killed, with its home as it left it and without its memory of the run."""
        participant = self._named(name)
        if participant.thread is not None:
            participant.inbox.put(None)
            participant.thread.join()
        participant.inbox = queue.SimpleQueue()
        participant.context.state = RecordDict()
        participant.alive, participant.silent = True, False
        self._start(participant)

    def _named(self, name: ParticipantId) -> _Participant:
        return next(participant for participant in self._participants.values() if participant.name == name)

    def _start(self, participant: _Participant) -> None:
        participant.thread = threading.Thread(
            target=self._serve, args=(participant,), name=f"participant-{participant.name}", daemon=True
        )
        participant.thread.start()

    # What Flower asks of a grid

    def set_run(self, run: Run) -> None:
        """Set the run that the grid says it is in."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run that this grid is in."""
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """Make a message; Flower has deprecated this in favour of `Message`."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """The ids of the participants that are alive."""
        return [participant.node_id for participant in self._participants.values() if participant.alive]

    def get_nodes(self) -> Iterable[NodeInfo]:
        """The participants that are alive, under their names."""
        alive = [participant for participant in self._participants.values() if participant.alive]
        return [NodeInfo(node_id=one.node_id, name=one.name, status="online") for one in alive]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages; their ids come back, and None in place of one for an unknown node."""
        batch = list(messages)
        ids: list[str] = []
        for message, parcel in zip(batch, pack(batch), strict=True):
            message.metadata.__dict__["_message_id"] = parcel.message_id
            participant = self._participants.get(message.metadata.dst_node_id)
            if participant is None:
                ids.append(cast("str", None))
                continue
            ids.append(parcel.message_id)
            self._record(BUREAU, participant.name, parcel, message)
            if participant.alive:
                participant.inbox.put(parcel)
            elif not participant.silent:
                self._report_unavailable(participant, parcel, message)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies that are there; waits a moment if there is none yet."""
        wanted = list(message_ids)
        with self._arrival:
            self._arrival.wait_for(lambda: any(one in self._arrived for one in wanted), _PULL_WAIT_SECONDS)
            parcels = [self._arrived.pop(one) for one in wanted if one in self._arrived]
        return [parcel.open() for parcel in parcels]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Send messages and wait for their replies, `timeout` seconds at most."""
        open_ids = {one for one in self.push_messages(messages) if one}
        ends_at = None if timeout is None else time.monotonic() + timeout
        replies: list[Message] = []
        while open_ids and (ends_at is None or time.monotonic() < ends_at):
            for reply in self.pull_messages(open_ids):
                open_ids.discard(reply.metadata.reply_to_message_id)
                replies.append(reply)
        return replies

    # The participants' side

    def _serve(self, participant: _Participant) -> None:
        while (parcel := participant.inbox.get()) is not None:
            if participant.alive:
                self._handle(participant, parcel)
            elif not participant.silent:
                self._report_unavailable(participant, parcel, parcel.open())

    def _handle(self, participant: _Participant, parcel: Parcel) -> None:
        struck = participant.faults.strike(parcel.kind)
        message = parcel.open()
        if FaultAction.VANISH in struck:
            participant.alive, participant.silent = False, True
        if FaultAction.DROP_REQUEST in struck or FaultAction.VANISH in struck:
            return
        if FaultAction.DELAY in struck:
            time.sleep(struck[FaultAction.DELAY].seconds)
        if FaultAction.KILL in struck:
            participant.alive = False
        elif FaultAction.ERROR in struck:
            error = Error(ErrorCode.CLIENT_APP_CRASHED, "injected")
            self._deliver(participant, parcel, Message(error, reply_to=message))
            return
        else:
            reply = self._run_app(participant, message)
            if FaultAction.KILL_BEFORE_REPLY in struck:
                participant.alive = False
        if not participant.alive:
            # Killed by a fault, or by `kill` while it was handling this.
            self._report_unavailable(participant, parcel, message)
            return
        self._deliver(participant, parcel, reply, lost=FaultAction.DROP_REPLY in struck)

    def _run_app(self, participant: _Participant, message: Message) -> Message:
        try:
            return self._client_app(message, participant.context)
        except Exception as fault:  # noqa: BLE001 - as Flower does
            error = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, f"{type(fault)}:<'{fault}'>")
            return Message(error, reply_to=message)

    def _deliver(self, participant: _Participant, request: Parcel, reply: Message, *, lost: bool = False) -> None:
        parcel = pack([reply])[0]
        with self._arrival:
            self._record(participant.name, BUREAU, parcel, reply, kind=request.kind)
            if not lost:
                self._arrived[request.message_id] = parcel
                self._arrival.notify_all()

    def _report_unavailable(self, participant: _Participant, request: Parcel, message: Message) -> None:
        metadata = Metadata(
            run_id=RUN_ID,
            message_id="",
            src_node_id=SUPERLINK_NODE_ID,  # Flower answers in the participant's place
            dst_node_id=SUPERLINK_NODE_ID,
            reply_to_message_id=request.message_id,
            group_id=message.metadata.group_id,
            created_at=time.time(),
            ttl=message.metadata.ttl,
            message_type=message.metadata.message_type,
        )
        error = Error(ErrorCode.NODE_UNAVAILABLE, f"node {participant.node_id} is unavailable")
        parcel = pack([make_message(metadata, error=error)])[0]
        with self._arrival:
            self._arrived[request.message_id] = parcel
            self._arrival.notify_all()

    def _record(self, sender: str, receiver: str, parcel: Parcel, message: Message, *, kind: str = "") -> None:
        if self._recorder is not None:
            with self._arrival:  # reentrant: calls do not overlap
                self._recorder(sender, receiver, kind or parcel.kind, payload_of(message), parcel.size)


def run_on_local_grid(server_app: ServerApp, grid: LocalGrid, run_config: UserConfig) -> None:
    """Run a server app to its end on a grid of this process; what it raises comes out."""
    server_app(grid, Context(RUN_ID, SUPERLINK_NODE_ID, {}, RecordDict(), run_config))


@contextlib.contextmanager
def _bureau_is(directory: Path) -> Iterator[None]:
    """Tell the server app where the bureau keeps its runs, as the environment of its own process would."""
    before = os.environ.get(BUREAU_VARIABLE)
    os.environ[BUREAU_VARIABLE] = str(directory)
    try:
        yield
    finally:
        del os.environ[BUREAU_VARIABLE]
        if before is not None:
            os.environ[BUREAU_VARIABLE] = before


def run_in_process(
    server_app: ServerApp,
    homes: Mapping[ParticipantId, Path],
    run_config: UserConfig,
    *,
    directory: Path,
    client_app: ClientApp = participants_app,
    faults: Sequence[Fault] = (),
    rng: np.random.Generator | None = None,
    recorder: Recorder | None = None,
    progress: ProgressReader = lambda _: None,
) -> bytes:
    """What `deployment.run_on_flower` does, in this process: run a server app and return what it wrote as its result.

    The files of `outcome.py` are made in `directory`. What the app raises comes out; `RunFailed` if it wrote no result.
    """
    directory.mkdir(parents=True, exist_ok=True)
    outcome = Outcome.new(directory.resolve())
    with (
        LocalGrid(homes, client_app=client_app, faults=faults, rng=rng, recorder=recorder) as grid,
        outcome.read_progress(progress),
    ):
        name, resume = secrets.token_hex(4), bool(run_config.get(RESUME_KEY, False))
        write_run_settings(directory, name, outcome.added_to(run_config))
        with _bureau_is(directory):
            run_on_local_grid(server_app, grid, {RUN_KEY: name, RESUME_KEY: resume})
    if not outcome.result.exists():
        raise RunFailed("the run ended without a result")
    return outcome.result.read_bytes()
