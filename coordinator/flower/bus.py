"""Calls from the coordinator to participants, over a carrier that delivers a message at most once or not at all.

The coordinator's training knows only `Bus.call`: one kind of step, one request body a participant, one deadline. The
bus sends, polls for replies, sends again under the same request id what was not answered, and ends in one of three
ways: all replies, `ParticipantRefused` as soon as one answers with an error code, or `ParticipantsLost` with the
partial replies. A request that arrives twice is answered from the participant's stored reply
(`participants/flower/replies.py`), so sending again is safe.

Which node a name stands for is looked up at each sending: a participant that has rotated its keys, or was admitted
anew, is another node of Flower's than before. To one that is not connected is sent where it was last.

Replies are matched to requests by the id of the message they reply to, and by nothing else: for an error that the
carrier reports about a node that is gone, the sender's node id is the carrier's own.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.constant import NodeStatus

from coordinator.errors import DirectoryIncomplete, LossReason, ParticipantRefused, ParticipantsLost
from coordinator.flower.pauses import shorten_object_backoff
from crypto.identifiers import ParticipantId, RequestId
from models.wire import transport
from models.wire.transport import Refusal, ReplyHeader, RequestHeader, TransportRefused

_FIRST_PAUSE_SECONDS: Final = 0.01
_PAUSE_GROWTH: Final = 1.5
_LOSS_BY_ERROR_CODE: Final = {
    ErrorCode.MESSAGE_UNAVAILABLE: LossReason.NO_REPLY,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE: LossReason.NO_REPLY,
    ErrorCode.NODE_UNAVAILABLE: LossReason.UNAVAILABLE,
    ErrorCode.INVALID_FAB: LossReason.OTHER_RELEASE,
}


class Clock(Protocol):
    """Where time comes from; a test's clock need not be the wall's."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        time.sleep(seconds)


@dataclass(slots=True)
class _Call:
    """What is still open in one call."""

    header: RequestHeader
    records: Mapping[ParticipantId, RecordDict]
    ends_at: float
    waiting: set[ParticipantId]
    attempt: int = 0
    sent: dict[str, ParticipantId] = field(default_factory=dict)  # message id -> receiver, of all attempts
    failing: dict[ParticipantId, LossReason] = field(default_factory=dict)  # failed in the latest attempt
    replies: dict[ParticipantId, bytes] = field(default_factory=dict)
    refusals: dict[ParticipantId, str] | None = None  # where a refusal does not end the call


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What everybody said to a request: answers, refusals' codes, and why there is neither."""

    replies: dict[ParticipantId, bytes]
    refusals: dict[ParticipantId, str]
    lost: dict[ParticipantId, LossReason]


class Bus:
    """Sends one step to several participants and collects their answers.

    `directory`: node id by participant, as far as known; who is connected is looked up. `attempts`: how often a request
    is sent at most within a call's deadline. `poll_seconds`: the longest pause between two looks for replies.
    `retry_seconds`: the pause before a request is sent again after the carrier reported a failure (a request that stays
    unanswered is sent again after deadline / attempts).
    """

    def __init__(
        self,
        grid: Grid,
        directory: Mapping[ParticipantId, int],
        *,
        attempts: int = 3,
        poll_seconds: float = 0.2,
        retry_seconds: float = 0.5,
        clock: Clock | None = None,
    ) -> None:
        shorten_object_backoff()
        self._grid = grid
        self._directory = dict(directory)
        self._attempts = max(1, attempts)
        self._poll_seconds = poll_seconds
        self._retry_seconds = retry_seconds
        self._clock: Clock = clock or SystemClock()

    def call(
        self,
        kind: str,
        requests: Mapping[ParticipantId, bytes],
        *,
        deadline_seconds: float,
        request_id: RequestId,
    ) -> dict[ParticipantId, bytes]:
        """Send `requests` and return every participant's answer.

        The same body object sent to several participants is uploaded once. `request_id` names this request for good:
        another request needs another id. Raises `DirectoryIncomplete`, before anything is sent, for one that was never
        connected, `ParticipantRefused`, `ParticipantsLost`, and `TransportRefused` for a body that is too large.
        """
        call = self._exchange(kind, requests, deadline_seconds, request_id, refusals=None)
        if call.waiting:
            raise ParticipantsLost(_reasons(call), call.replies)
        return {name: call.replies[name] for name in requests}

    def poll(
        self,
        kind: str,
        requests: Mapping[ParticipantId, bytes],
        *,
        deadline_seconds: float,
        request_id: RequestId,
    ) -> Poll:
        """As `call`, and hear everybody out: no refusal and no loss ends it, nor one that never was connected."""
        refusals: dict[ParticipantId, str] = {}
        call = self._exchange(kind, requests, deadline_seconds, request_id, refusals=refusals)
        return Poll(replies=dict(call.replies), refusals=refusals, lost=_reasons(call))

    def wait_for(self, names: Iterable[ParticipantId], *, seconds: float) -> None:
        """Wait until all these are connected, or not any longer."""
        ends_at = self._clock.monotonic() + seconds
        wanted = set(names)
        while wanted - connected(self._grid).keys() and self._clock.monotonic() < ends_at:
            self._clock.sleep(self._poll_seconds)

    def _exchange(
        self,
        kind: str,
        requests: Mapping[ParticipantId, bytes],
        deadline_seconds: float,
        request_id: RequestId,
        *,
        refusals: dict[ParticipantId, str] | None,
    ) -> _Call:
        """Send, collect and send again; who is still waited for in the end is lost."""
        header = RequestHeader(kind=kind, request_id=request_id)
        ends_at = self._clock.monotonic() + deadline_seconds
        call = _Call(header, _records(header, requests), ends_at, set(requests), refusals=refusals)
        for attempt in range(self._attempts):
            call.attempt = attempt
            self._send(call)
            self._collect(call, self._clock.monotonic() + deadline_seconds / self._attempts)
            if not call.waiting or self._clock.monotonic() >= ends_at:
                break
        return call

    def _send(self, call: _Call) -> None:
        self._directory |= connected(self._grid)
        absent = call.waiting - self._directory.keys()
        if absent and call.refusals is None:
            raise DirectoryIncomplete(absent)
        receivers = sorted(call.waiting - absent)
        ttl = max(1.0, call.ends_at - self._clock.monotonic())
        messages = [
            Message(call.records[name], self._directory[name], transport.MESSAGE_TYPE, ttl=ttl) for name in receivers
        ]
        ids = list(self._grid.push_messages(messages)) if messages else []
        call.failing = dict.fromkeys(absent, LossReason.UNAVAILABLE)
        for index, name in enumerate(receivers):
            # Flower answers None, or with a shorter list, for what it did not take.
            if index < len(ids) and ids[index]:
                call.sent[ids[index]] = name
            else:
                call.failing[name] = LossReason.UNREACHABLE

    def _collect(self, call: _Call, resend_at: float) -> None:
        pause = _FIRST_PAUSE_SECONDS
        last = call.attempt + 1 == self._attempts
        until = call.ends_at if last else min(resend_at, call.ends_at)
        while call.waiting:
            began = self._clock.monotonic()
            open_ids = [message_id for message_id, name in call.sent.items() if name in call.waiting]
            for reply in self._grid.pull_messages(open_ids) if open_ids else ():
                self._take(call, reply)
            now = self._clock.monotonic()
            if not call.waiting or now >= until:
                return
            if call.waiting <= set(call.failing):
                # Nobody is left who might still answer this attempt.
                if not last:
                    self._clock.sleep(min(self._retry_seconds, until - now))
                return
            # A grid that waits for replies itself, as the local one does, needs no pause of ours.
            self._clock.sleep(max(0.0, min(pause - (now - began), until - now)))
            pause = min(pause * _PAUSE_GROWTH, self._poll_seconds)

    def _take(self, call: _Call, reply: Message) -> None:
        name = call.sent.pop(reply.metadata.reply_to_message_id, None)
        if name is None or name not in call.waiting:
            return
        if reply.has_error():
            call.failing[name] = _loss(reply.error)
            return
        try:
            header, body = _read(reply.content)
        except TransportRefused:
            call.failing[name] = LossReason.MALFORMED_REPLY
            return
        if not header.answers(call.header):
            call.failing[name] = LossReason.MALFORMED_REPLY
        elif header.refusal and call.refusals is None:
            raise ParticipantRefused(name, header.refusal, call.replies)
        else:
            if header.refusal and call.refusals is not None:
                call.refusals[name] = header.refusal
            else:
                call.replies[name] = body
            call.waiting.discard(name)
            call.failing.pop(name, None)


def _reasons(call: _Call) -> dict[ParticipantId, LossReason]:
    return {name: call.failing.get(name, LossReason.NO_REPLY) for name in call.waiting}


def _loss(error: Error) -> LossReason:
    return _LOSS_BY_ERROR_CODE.get(error.code, LossReason.CRASHED)


def _records(header: RequestHeader, requests: Mapping[ParticipantId, bytes]) -> dict[ParticipantId, RecordDict]:
    """One set of records for each distinct body: Flower hashes and uploads it once."""
    by_body: dict[int, RecordDict] = {}
    records = {}
    for name, body in requests.items():
        if id(body) not in by_body:
            array = Array(transport.BODY_DTYPE, (len(body),), transport.BODY_STYPE, body)
            transport.check_body(array.dtype, array.shape, array.stype, body, too_large=Refusal.TOO_LARGE)
            by_body[id(body)] = RecordDict(
                {
                    transport.HEADER_RECORD: ConfigRecord({**header.values()}),
                    transport.BODY_RECORD: ArrayRecord({transport.BODY_ARRAY: array}),
                }
            )
        records[name] = by_body[id(body)]
    return records


def _read(content: RecordDict) -> tuple[ReplyHeader, bytes]:
    header, body = content.get(transport.HEADER_RECORD), content.get(transport.BODY_RECORD)
    if len(content) != 2 or not isinstance(header, ConfigRecord) or not isinstance(body, ArrayRecord):
        raise TransportRefused("a reply has other records than ours", code=Refusal.MALFORMED)
    array = body.get(transport.BODY_ARRAY)
    if len(body) != 1 or array is None:
        raise TransportRefused("a reply's body is not one array", code=Refusal.MALFORMED)
    data = transport.check_body(array.dtype, array.shape, array.stype, array.data, too_large=Refusal.REPLY_TOO_LARGE)
    return ReplyHeader.parse(dict(header)), data


def connected(grid: Grid) -> dict[ParticipantId, int]:
    """The node ids of all participants that are connected, by the names under which their keys were registered.

    While keys are rotated a name may have two nodes: the one that was started last speaks for it.
    """
    nodes = sorted(grid.get_nodes(), key=_how_new)
    return {ParticipantId(node.name): node.node_id for node in nodes if node.status != NodeStatus.OFFLINE}


def _how_new(node: NodeInfo) -> tuple[str, str, int]:
    return node.last_activated_at, node.registered_at, node.node_id


def find_participants(
    grid: Grid,
    expected: set[ParticipantId],
    *,
    deadline_seconds: float,
    poll_seconds: float = 0.2,
    clock: Clock | None = None,
) -> dict[ParticipantId, int]:
    """Wait until all `expected` participants are connected and return their node ids.

    Raises `DirectoryIncomplete`.
    """
    time_source: Clock = clock or SystemClock()
    ends_at = time_source.monotonic() + deadline_seconds
    while True:
        nodes = connected(grid)
        missing = expected - set(nodes)
        if not missing:
            return {name: nodes[name] for name in sorted(expected)}
        if time_source.monotonic() >= ends_at:
            raise DirectoryIncomplete(missing)
        time_source.sleep(poll_seconds)
