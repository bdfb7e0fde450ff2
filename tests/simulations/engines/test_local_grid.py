"""The bus, the participants' app and the grid of this process together, with every kind of fault."""

import importlib
import json
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from coordinator.errors import LossReason, ParticipantRefused, ParticipantsLost
from coordinator.flower.bus import Bus, find_participants
from crypto.errors import MaskContextReused
from crypto.identifiers import ParticipantId, RequestId
from models.wire.transport import Refusal
from participants.flower.client_app import client_app
from simulations.engines.errors import RunFailed
from simulations.engines.faults import Fault, FaultAction
from simulations.engines.local_grid import LocalGrid, run_in_process, run_on_local_grid

TAX, COURTS, BANK = ParticipantId("tax"), ParticipantId("courts"), ParticipantId("bank-1")
SECRET = "91500000MA5U4TE42D"


class Echo:
    """Answers with its name and the body; counts what it handled."""

    handled: Counter[str]

    def __init__(self, home: Path, handled: Counter[str]) -> None:
        self._name = home.name
        self._handled = handled

    def handle(self, kind: str, body: bytes) -> bytes:
        self._handled[self._name] += 1
        if kind == "leak":
            raise ValueError(SECRET)
        if kind == "reuse":
            raise MaskContextReused("the context was used before")
        if kind == "where":
            return threading.current_thread().name.encode()
        return self._name.encode() + b":" + body


class Federation:
    def __init__(self, directory: Path) -> None:
        self.homes = {name: directory / name for name in (TAX, COURTS, BANK)}
        for home in self.homes.values():
            home.mkdir()
        self.handled: Counter[str] = Counter()
        self.app = client_app(lambda home: Echo(home, self.handled))
        self.seen: list[tuple[str, str, str, bytes, int]] = []

    def grid(self, *faults: Fault, app: ClientApp | None = None) -> LocalGrid:
        def record(sender: str, receiver: str, kind: str, payload: bytes, size: int) -> None:
            self.seen.append((sender, receiver, kind, payload, size))

        rng = np.random.default_rng(7)
        return LocalGrid(self.homes, client_app=app or self.app, faults=faults, rng=rng, recorder=record)


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return Federation(tmp_path)


def call(
    grid: Grid, kind: str = "echo", body: bytes = b"hello", *, request: str = "r1", deadline: float = 3.0
) -> dict[ParticipantId, bytes]:
    directory = {ParticipantId(node.name): node.node_id for node in grid.get_nodes()}
    bus = Bus(grid, directory, retry_seconds=0.02)
    bodies = dict.fromkeys(directory, body)
    return bus.call(kind, bodies, deadline_seconds=deadline, request_id=RequestId(request))


EVERYONE = {TAX: b"tax:hello", COURTS: b"courts:hello", BANK: b"bank-1:hello"}


def test_a_server_app_runs_with_names_and_its_configuration(federation: Federation) -> None:
    result: dict[ParticipantId, bytes] = {}
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        directory = find_participants(grid, {TAX, BANK}, deadline_seconds=5)
        bodies = dict.fromkeys(directory, str(context.run_config["greeting"]).encode())
        result.update(Bus(grid, directory).call("echo", bodies, deadline_seconds=5, request_id=RequestId("r")))

    with federation.grid() as grid:
        run_on_local_grid(app, grid, {"greeting": "ni hao"})
    assert result == {TAX: b"tax:ni hao", BANK: b"bank-1:ni hao"}


def test_what_the_server_app_raises_comes_out(federation: Federation) -> None:
    app = ServerApp()

    @app.main()
    def main(_grid: Grid, _context: Context) -> None:
        raise ParticipantsLost({TAX: LossReason.NO_REPLY}, {})

    with federation.grid() as grid, pytest.raises(ParticipantsLost):
        run_on_local_grid(app, grid, {})


def test_the_app_of_the_deployment_test_runs_unchanged_in_this_process(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "apps"))
    apps = importlib.import_module("echo_federation")
    config: UserConfig = {"participants": "courts,tax", "exchanges": 2, "bytes": 9, "kind": "echo", "wait-seconds": 1.0}
    lines: list[str] = []
    result = run_in_process(
        apps.server, federation.homes, config, directory=tmp_path / "run", client_app=apps.client, progress=lines.append
    )
    assert sorted(json.loads(result)["answers"]) == ["courts", "tax"]
    assert [line.split()[:2] for line in lines] == [["exchange", "0"], ["exchange", "1"]]


def test_an_app_that_writes_no_result_has_failed(federation: Federation, tmp_path: Path) -> None:
    app = ServerApp()
    app.main()(lambda grid, context: None)  # noqa: ARG005 - Flower's names
    with pytest.raises(RunFailed, match="without a result"):
        run_in_process(app, federation.homes, {}, directory=tmp_path, client_app=federation.app)


def test_each_participant_has_its_own_thread(federation: Federation) -> None:
    with federation.grid() as grid:
        assert len(set(call(grid, "where").values())) == 3


@pytest.mark.parametrize("action", [FaultAction.DROP_REQUEST, FaultAction.DROP_REPLY, FaultAction.ERROR])
def test_a_passing_fault_is_survived_and_nothing_is_handled_twice(federation: Federation, action: FaultAction) -> None:
    with federation.grid(Fault(action=action, participant=COURTS)) as grid:
        assert call(grid) == EVERYONE
    assert federation.handled == {"tax": 1, "courts": 1, "bank-1": 1}


def test_a_slow_participant_is_asked_again_and_handles_once(federation: Federation) -> None:
    with federation.grid(Fault(action=FaultAction.DELAY, participant=TAX, seconds=0.5)) as grid:
        assert call(grid, deadline=1.2) == EVERYONE
    assert federation.handled["tax"] == 1


@pytest.mark.parametrize("action", [FaultAction.KILL, FaultAction.KILL_BEFORE_REPLY])
def test_a_participant_that_dies_ends_the_call_with_the_partial_replies(
    federation: Federation, action: FaultAction
) -> None:
    with federation.grid(Fault(action=action, participant=TAX, after=1)) as grid:
        assert call(grid) == EVERYONE
        began = time.monotonic()
        with pytest.raises(ParticipantsLost) as lost:
            call(grid, request="r2", deadline=20)
        assert time.monotonic() - began < 5
        assert lost.value.lost == {TAX: LossReason.UNAVAILABLE}
        assert set(lost.value.replies) == {COURTS, BANK}
        assert {node.name for node in grid.get_nodes()} == {"courts", "bank-1"}
        assert set(call(grid, request="r3")) == {COURTS, BANK}


def test_a_participant_that_comes_back_answers_from_its_disk(federation: Federation) -> None:
    with federation.grid(Fault(action=FaultAction.KILL_BEFORE_REPLY, participant=TAX)) as grid:
        with pytest.raises(ParticipantsLost):
            call(grid)
        grid.revive(TAX)
        assert call(grid) == EVERYONE
    assert federation.handled == {"tax": 1, "courts": 1, "bank-1": 1}


def test_a_participant_that_vanishes_is_lost_at_the_deadline(federation: Federation) -> None:
    with federation.grid(Fault(action=FaultAction.VANISH, participant=TAX)) as grid:
        with pytest.raises(ParticipantsLost) as lost:
            call(grid, deadline=0.6)
        assert lost.value.lost == {TAX: LossReason.NO_REPLY}


def test_a_killed_participant_is_reported_unavailable(federation: Federation) -> None:
    with federation.grid() as grid:
        directory = {ParticipantId(node.name): node.node_id for node in grid.get_nodes()}
        grid.kill(TAX)
        with pytest.raises(ParticipantsLost) as lost:
            Bus(grid, directory, retry_seconds=0.01).call(
                "echo", {TAX: b""}, deadline_seconds=5, request_id=RequestId("r")
            )
    assert lost.value.lost == {TAX: LossReason.UNAVAILABLE}


def test_drawn_faults_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def lossy(directory: Path) -> list[tuple[str, str]]:
        directory.mkdir()
        federation = Federation(directory)
        with federation.grid(Fault(action=FaultAction.ERROR, times=None, probability=0.5)) as grid:
            for number in range(4):
                try:
                    call(grid, request=f"r{number}")
                except ParticipantsLost:
                    continue
        return sorted((sender, kind) for sender, _, kind, payload, _ in federation.seen if payload == b"injected")

    first = lossy(tmp_path / "a")
    assert first
    assert first == lossy(tmp_path / "b")


def test_the_text_of_an_exception_does_not_leave_a_participant(federation: Federation) -> None:
    leaky = ClientApp()

    @leaky.query("step")
    def step(_message: Message, _context: Context) -> Message:
        raise ValueError(SECRET)

    # Flower alone sends it, and so the recorder would show it.
    with federation.grid(app=leaky) as grid, pytest.raises(ParticipantsLost):
        call(grid, "leak")
    assert any(SECRET.encode() in payload for _, _, _, payload, _ in federation.seen)
    federation.seen.clear()
    with federation.grid() as grid, pytest.raises(ParticipantRefused) as refused:
        call(grid, "leak", request="r2")
    assert refused.value.code == Refusal.INTERNAL
    assert not any(SECRET.encode() in payload for _, _, _, payload, _ in federation.seen)


def test_an_error_of_ours_leaves_as_its_name(federation: Federation) -> None:
    with federation.grid() as grid, pytest.raises(ParticipantRefused) as refused:
        call(grid, "reuse")
    assert refused.value.code == "MaskContextReused"


def test_another_request_under_a_used_id_is_refused(federation: Federation) -> None:
    with federation.grid() as grid:
        call(grid)
        with pytest.raises(ParticipantRefused) as refused:
            call(grid, body=b"something else")
    assert refused.value.code == Refusal.REQUEST_ID_REUSED


def test_a_participant_whose_home_is_gone_refuses(federation: Federation) -> None:
    federation.homes[TAX].rmdir()
    with federation.grid() as grid, pytest.raises(ParticipantRefused) as refused:
        call(grid)
    assert (refused.value.participant, refused.value.code) == (TAX, Refusal.NOT_CONFIGURED)


def headed(header: dict[str, int | str]) -> RecordDict:
    return RecordDict({"header": ConfigRecord({**header})})


def raw(header: dict[str, str | int], array: Array) -> RecordDict:
    return RecordDict({"header": ConfigRecord({**header}), "body": ArrayRecord({"bytes": array})})


GOOD: dict[str, int | str] = {"version": 1, "kind": "echo", "request": "r"}
EMPTY = Array("bytes", (0,), "yurong", b"")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (RecordDict(), Refusal.MALFORMED),
        (headed({**GOOD}), Refusal.MALFORMED),
        (raw({**GOOD, "version": 9}, EMPTY), Refusal.UNKNOWN_VERSION),
        (raw({**GOOD, "kind": "No Such"}, EMPTY), Refusal.MALFORMED),
        (raw(GOOD, Array("float64", (1,), "numpy.ndarray", bytes(8))), Refusal.MALFORMED),
        (raw(GOOD, Array("bytes", (20,), "yurong", bytes(20))), Refusal.TOO_LARGE),
    ],
)
def test_what_is_not_shaped_as_ours_is_refused_at_the_door(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, content: RecordDict, code: Refusal
) -> None:
    monkeypatch.setattr("models.wire.transport.MAXIMUM_BODY_BYTES", 16)
    with federation.grid() as grid:
        node_id = next(iter(grid.get_node_ids()))
        (reply,) = grid.send_and_receive([Message(content, node_id, "query.step")], timeout=5)
    assert reply.content["header"]["refusal"] == code
    assert not federation.handled


def test_a_reply_that_is_too_large_is_refused_by_the_participant_itself(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.wire.transport.MAXIMUM_BODY_BYTES", 8)
    with federation.grid() as grid, pytest.raises(ParticipantRefused) as refused:
        call(grid, body=b"12345678")
    assert refused.value.code == Refusal.REPLY_TOO_LARGE


def test_the_recorder_sees_what_passes_the_bureau(federation: Federation) -> None:
    with federation.grid(Fault(action=FaultAction.DROP_REPLY, participant=TAX)) as grid:
        call(grid)
    passed = [(sender, receiver, kind, payload) for sender, receiver, kind, payload, _ in federation.seen]
    assert passed.count(("bureau", "tax", "echo", b"hello")) == 2
    assert passed.count(("tax", "bureau", "echo", b"tax:hello")) == 2
    assert passed.count(("courts", "bureau", "echo", b"courts:hello")) == 1
    assert all(size > len(payload) for *_, payload, size in federation.seen)


def test_megabytes_pass_whole_and_fast(federation: Federation) -> None:
    body = np.random.default_rng(1).bytes(20 << 20)
    with federation.grid() as grid:
        began = time.monotonic()
        replies = call(grid, body=body, deadline=60)
        seconds = time.monotonic() - began
    assert all(reply.endswith(body) for reply in replies.values())
    assert seconds < 10
