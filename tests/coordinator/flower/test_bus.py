"""The bus against a scripted grid and a clock of the test's own; `test_local_grid.py` has it with real participants."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, RecordDict
from flwr.app.message import make_message
from flwr.common.constant import ErrorCode
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from coordinator.errors import DirectoryIncomplete, LossReason, ParticipantRefused, ParticipantsLost
from coordinator.flower.bus import Bus, find_participants
from crypto.identifiers import ParticipantId, RequestId
from models.wire.transport import TransportRefused

TAX, COURTS, BANK = ParticipantId("tax"), ParticipantId("courts"), ParticipantId("bank-1")
DIRECTORY = {TAX: 11, COURTS: 12, BANK: 13}
REQUEST = RequestId("run/1")

Script = Callable[[Message, int], Message | None]


@dataclass
class TestClock:
    __test__ = False
    now: float = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


@dataclass
class ScriptedGrid(Grid):
    """`script(request, how many times this node was asked)` gives the reply, or None for silence."""

    script: Script
    clock: TestClock
    pushed: list[Message] = field(default_factory=list)
    replies: dict[str, Message] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    nodes: dict[float, list[str]] = field(default_factory=dict)
    others: dict[float, list[NodeInfo]] = field(default_factory=dict)  # who is connected instead, from when on

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        ids = []
        for message in messages:
            self.pushed.append(message)
            message_id = f"m{len(self.pushed)}"
            message.metadata.__dict__["_message_id"] = message_id
            node = message.metadata.dst_node_id
            asked = sum(one.metadata.dst_node_id == node for one in self.pushed)
            if (reply := self.script(message, asked)) is not None:
                self.replies[message_id] = reply
            ids.append(message_id if node not in self.unknown else None)
        return cast("list[str]", ids)  # Flower itself answers None for what it did not take

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [self.replies.pop(one) for one in list(message_ids) if one in self.replies]

    def get_nodes(self) -> Iterable[NodeInfo]:
        if since := max((since for since in self.others if self.clock.now >= since), default=0.0):
            return self.others[since]
        names = [name for since, some in self.nodes.items() if self.clock.now >= since for name in some]
        return [NodeInfo(node_id=10 + number, name=name) for number, name in enumerate(names)]

    def get_node_ids(self) -> Iterable[int]:
        return []

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        raise AssertionError((messages, timeout))

    def create_message(self, *_: object, **__: object) -> Message:
        raise AssertionError

    def set_run(self, run: Run) -> None:
        raise AssertionError(run)

    @property
    def run(self) -> Run:
        raise AssertionError


@pytest.fixture(autouse=True)
def _inside_a_run() -> None:
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1


def header_of(message: Message) -> dict[str, int | str]:
    header = message.content["header"]
    assert isinstance(header, ConfigRecord)
    return cast("dict[str, int | str]", dict(header))


def answer(request: Message, body: bytes = b"answer", /, **changes: str | int) -> Message:
    header: dict[str, int | str] = {**header_of(request), "refusal": "", **changes}
    array = Array("bytes", (len(body),), "yurong", body)
    records = RecordDict({"header": ConfigRecord({**header}), "body": ArrayRecord({"bytes": array})})
    return Message(records, reply_to=request)


def make_bus(script: Script, **options: int) -> tuple[Bus, ScriptedGrid, TestClock]:
    clock = TestClock()
    grid = ScriptedGrid(script, clock)
    return Bus(grid, DIRECTORY, clock=clock, **options), grid, clock


def call(bus: Bus, *receivers: ParticipantId, deadline: float = 60.0) -> dict[ParticipantId, bytes]:
    requests = dict.fromkeys(receivers or (TAX, COURTS), b"question")
    return bus.call("gradient", requests, deadline_seconds=deadline, request_id=REQUEST)


def test_everyone_answers() -> None:
    bus, grid, _ = make_bus(lambda request, _: answer(request, str(request.metadata.dst_node_id).encode()))
    assert call(bus) == {TAX: b"11", COURTS: b"12"}
    assert {header_of(message)["request"] for message in grid.pushed} == {"run/1"}
    assert {message.metadata.message_type for message in grid.pushed} == {"query.step"}


def test_one_body_for_many_is_one_object_for_flower() -> None:
    bus, grid, _ = make_bus(lambda request, _: answer(request))
    call(bus, TAX, COURTS, BANK)
    assert len({id(message.content) for message in grid.pushed}) == 1


def test_a_lost_message_is_sent_again_under_the_same_request_id() -> None:
    def lose_first(request: Message, asked: int) -> Message | None:
        return None if request.metadata.dst_node_id == 11 and asked == 1 else answer(request)

    bus, grid, clock = make_bus(lose_first)
    assert set(call(bus)) == {TAX, COURTS}
    assert [message.metadata.dst_node_id for message in grid.pushed] == [12, 11, 11]
    assert {header_of(message)["request"] for message in grid.pushed} == {"run/1"}
    assert 120.0 <= clock.now < 121.0


def test_a_late_reply_to_the_first_sending_counts() -> None:
    held: list[Message] = []

    def reply_late(request: Message, asked: int) -> Message | None:
        if asked == 1:
            held.append(request)
            return None
        grid.replies["m1"] = answer(held[0], b"late")
        return None

    bus, grid, _ = make_bus(reply_late)
    assert call(bus, TAX) == {TAX: b"late"}


def test_silence_ends_at_the_deadline_with_the_partial_replies() -> None:
    bus, grid, clock = make_bus(lambda request, _: answer(request) if request.metadata.dst_node_id == 12 else None)
    with pytest.raises(ParticipantsLost) as lost:
        call(bus, deadline=30.0)
    assert lost.value.lost == {TAX: LossReason.NO_REPLY}
    assert lost.value.replies == {COURTS: b"answer"}
    assert 130.0 <= clock.now < 131.0
    assert len(grid.pushed) == 4


def test_a_node_that_is_gone_is_lost_without_waiting_for_the_deadline() -> None:
    def gone(request: Message, _: int) -> Message:
        if request.metadata.dst_node_id == 12:
            return answer(request)
        reply = Message(Error(ErrorCode.NODE_UNAVAILABLE, "gone"), reply_to=request)
        metadata = reply.metadata
        metadata.__dict__["_src_node_id"] = 1  # the SuperLink's own id, as Flower has it
        return make_message(metadata, error=reply.error)

    bus, grid, clock = make_bus(gone)
    with pytest.raises(ParticipantsLost) as lost:
        call(bus)
    assert lost.value.lost == {TAX: LossReason.UNAVAILABLE}
    assert lost.value.replies == {COURTS: b"answer"}
    assert clock.now < 103.0
    assert len(grid.pushed) == 4


def test_a_crash_is_tried_again() -> None:
    def crash_once(request: Message, asked: int) -> Message:
        if asked == 1:
            return Message(Error(ErrorCode.CLIENT_APP_CRASHED, "secret value 42"), reply_to=request)
        return answer(request)

    bus, _, _ = make_bus(crash_once)
    assert call(bus) == {TAX: b"answer", COURTS: b"answer"}


def test_a_refusal_is_raised_at_once_and_not_tried_again() -> None:
    def refuse(request: Message, _: int) -> Message | None:
        if request.metadata.dst_node_id == 12:
            return answer(request)
        if request.metadata.dst_node_id == 13:
            return None
        return answer(request, b"", refusal="MaskContextReused")

    bus, grid, clock = make_bus(refuse)
    with pytest.raises(ParticipantRefused) as refused:
        call(bus, TAX, COURTS, BANK)
    assert (refused.value.participant, refused.value.code) == (TAX, "MaskContextReused")
    assert clock.now < 101.0
    assert len(grid.pushed) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        {"request": "run/2"},
        {"kind": "image"},
        {"version": 2},
        {"refusal": "secret value 42"},
        {"extra": 1},
    ],
)
def test_a_reply_that_is_not_ours_is_no_reply(spoil: dict[str, str | int]) -> None:
    bus, _, _ = make_bus(lambda request, _: answer(request, **spoil))
    with pytest.raises(ParticipantsLost) as lost:
        call(bus, TAX)
    assert lost.value.lost == {TAX: LossReason.MALFORMED_REPLY}
    assert "secret" not in str(lost.value)


def test_a_reply_with_other_records_is_no_reply() -> None:
    def spoiled(request: Message, _: int) -> Message:
        reply = answer(request)
        reply.content["more"] = ConfigRecord({"x": 1})
        return reply

    bus, _, _ = make_bus(spoiled)
    with pytest.raises(ParticipantsLost):
        call(bus, TAX)


def test_what_flower_does_not_take_is_lost() -> None:
    bus, grid, _ = make_bus(lambda request, _: answer(request))
    grid.unknown = {11}
    with pytest.raises(ParticipantsLost) as lost:
        call(bus)
    assert lost.value.lost == {TAX: LossReason.UNREACHABLE}


def test_nothing_is_sent_when_a_participant_is_unknown_or_a_body_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    bus, grid, _ = make_bus(lambda request, _: answer(request))
    with pytest.raises(DirectoryIncomplete):
        call(bus, TAX, ParticipantId("nobody"))
    monkeypatch.setattr("models.wire.transport.MAXIMUM_BODY_BYTES", 3)
    with pytest.raises(TransportRefused):
        call(bus)
    assert grid.pushed == []


def test_participants_are_waited_for_by_name() -> None:
    clock = TestClock()
    grid = ScriptedGrid(lambda *_: None, clock, nodes={0.0: ["tax"], 103.0: ["courts", "other"]})
    assert find_participants(grid, {TAX, COURTS}, deadline_seconds=10, clock=clock) == {COURTS: 11, TAX: 10}
    with pytest.raises(DirectoryIncomplete) as missing:
        find_participants(grid, {TAX, BANK}, deadline_seconds=10, clock=clock)
    assert missing.value.missing == (BANK,)


def test_a_participant_that_was_lost_is_waited_for_and_no_longer_than_told() -> None:
    bus, grid, clock = make_bus(lambda *_: None)
    grid.nodes = {103.0: ["other", "tax"]}
    bus.wait_for({TAX}, seconds=60)
    assert 103.0 <= clock.now < 104.0
    bus.wait_for({BANK}, seconds=60)
    assert 163.0 <= clock.now < 164.0


def node(name: str, node_id: int, *, activated: str = "", status: str = "online") -> NodeInfo:
    return NodeInfo(node_id=node_id, name=name, last_activated_at=activated, status=status)


def test_a_participant_that_comes_back_as_another_node_is_asked_there() -> None:
    bus, grid, clock = make_bus(lambda request, _: answer(request) if request.metadata.dst_node_id != 11 else None)
    grid.others = {110.0: [node("courts", 12)], 115.0: [node("courts", 12), node("tax", 99)]}
    assert set(call(bus)) == {TAX, COURTS}
    assert [message.metadata.dst_node_id for message in grid.pushed] == [12, 11, 99]
    clock.now = 110.0
    bus.wait_for({TAX}, seconds=60)
    assert 115.0 <= clock.now < 116.0


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_nodes_of_one_name_the_one_that_was_started_last_is_asked(order: int) -> None:
    bus, grid, _ = make_bus(lambda request, _: answer(request))
    grid.others = {
        1.0: [
            node("tax", 21, activated="2026-11-23T10:00:00+00:00"),
            node("tax", 20, activated="2026-11-23T11:00:00+00:00"),
            node("tax", 22, activated="2026-11-23T12:00:00+00:00", status="offline"),
        ][::order]
    }
    call(bus, TAX)
    assert [message.metadata.dst_node_id for message in grid.pushed] == [20]
    assert find_participants(grid, {TAX}, deadline_seconds=1, clock=grid.clock) == {TAX: 20}


def test_a_poll_asks_whoever_is_there_and_names_who_is_not() -> None:
    clock = TestClock()
    grid = ScriptedGrid(lambda request, _: answer(request), clock, nodes={0.0: ["tax"]})
    bus = Bus(grid, {}, clock=clock)
    said = bus.poll("join", dict.fromkeys((TAX, BANK), b"plan"), deadline_seconds=60, request_id=REQUEST)
    assert (said.replies, said.lost) == ({TAX: b"answer"}, {BANK: LossReason.UNAVAILABLE})
    assert clock.now < 103.0
    grid.pushed.clear()
    said = bus.poll("join", {BANK: b"plan"}, deadline_seconds=60, request_id=REQUEST)
    assert (said.lost, grid.pushed) == ({BANK: LossReason.UNAVAILABLE}, [])


def test_a_poll_hears_everybody_out() -> None:
    def script(request: Message, _asked: int) -> Message | None:
        node = request.metadata.dst_node_id
        if node == DIRECTORY[BANK]:
            return None
        return answer(request, b"", refusal="ApprovalPending") if node == DIRECTORY[TAX] else answer(request)

    bus, _, _ = make_bus(script)
    requests = dict.fromkeys((TAX, COURTS, BANK), b"question")
    said = bus.poll("join", requests, deadline_seconds=10, request_id=REQUEST)
    assert said.replies == {COURTS: b"answer"}
    assert said.refusals == {TAX: "ApprovalPending"}
    assert said.lost == {BANK: LossReason.NO_REPLY}


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (ErrorCode.MESSAGE_UNAVAILABLE, LossReason.NO_REPLY),
        (ErrorCode.REPLY_MESSAGE_UNAVAILABLE, LossReason.NO_REPLY),
        (ErrorCode.NODE_UNAVAILABLE, LossReason.UNAVAILABLE),
        (ErrorCode.CLIENT_APP_CRASHED, LossReason.CRASHED),
        (ErrorCode.CLIENT_APP_RAISED_EXCEPTION, LossReason.CRASHED),
        (999, LossReason.CRASHED),
    ],
)
def test_what_the_carrier_reports_becomes_a_reason_without_its_text(code: int, reason: LossReason) -> None:
    bus, _, _ = make_bus(lambda request, _: Message(Error(code, "secret value 42"), reply_to=request))
    with pytest.raises(ParticipantsLost) as lost:
        call(bus, TAX)
    assert lost.value.lost == {TAX: reason}
    assert "secret" not in f"{lost.value} {lost.value.advice}"
