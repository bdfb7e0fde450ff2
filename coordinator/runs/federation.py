"""The bureau's side of any step: typed requests out, typed replies in, sums of words it cannot read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import numpy as np

from coordinator.errors import ParticipantRefused, ParticipantsLost
from coordinator.flower.bus import Bus, Poll
from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId, RequestId
from models.wire.codec import WORD_BYTES, WireMessage, pack_words, unpack_words
from models.wire.envelope import Addressed
from models.wire.plan import RunPlan
from models.wire.steps import Step
from models.wire.transport import Refusal

Reply = TypeVar("Reply", bound=WireMessage)
Result = TypeVar("Result")


INTERRUPTED: Final = frozenset({Refusal.REQUEST_INTERRUPTED, "MaskContextReused"})
"""What a participant says that died over a step: it does not know what has left it, or that its masks count as used."""

TIMES_ASKED: Final = 4


class Federation:
    """A plan and the bus that reaches its participants.

    `patience_seconds`: how long to wait for participants that were lost to be connected again.
    """

    def __init__(
        self, bus: Bus, plan: RunPlan, *, deadline_seconds: float, session: str, patience_seconds: float = 0.0
    ) -> None:
        self.plan = plan
        self._patience_seconds = patience_seconds
        self._bus = bus
        self._deadline_seconds = deadline_seconds
        self._session = session  # new in each process: no request of a stopped run is repeated under its old id
        self._serial = 0

    def ask(
        self, step: Step, requests: Mapping[ParticipantId, WireMessage], reply_type: type[Reply]
    ) -> dict[ParticipantId, Reply]:
        """Ask several participants for one step. Raises what `Bus.call` raises, and `MalformedMessage`."""
        bodies, request_id = self._prepared(step, requests)
        replies = self._bus.call(step, bodies, deadline_seconds=self._deadline_seconds, request_id=request_id)
        return {name: reply_type.decode(body) for name, body in replies.items()}

    def insist(
        self, step: Step, requests: Mapping[ParticipantId, WireMessage], reply_type: type[Reply]
    ) -> dict[ParticipantId, Reply]:
        """As `ask`, for a step that gets the same answer again: who was lost or died over it is asked again."""
        replies: dict[ParticipantId, Reply] = {}
        for time in range(1, TIMES_ASKED + 1):
            missing = {name: request for name, request in requests.items() if name not in replies}
            try:
                replies |= self.ask(step, missing, reply_type)
                break
            except (ParticipantsLost, ParticipantRefused) as loss:
                if time == TIMES_ASKED:
                    raise
                self.wait_for(lost_by(loss))
                replies |= {name: reply_type.decode(body) for name, body in loss.replies.items()}
        return {name: replies[name] for name in requests}

    def poll(self, step: Step, requests: Mapping[ParticipantId, WireMessage]) -> Poll:
        """Ask for one step and hear everybody out."""
        bodies, request_id = self._prepared(step, requests)
        return self._bus.poll(step, bodies, deadline_seconds=self._deadline_seconds, request_id=request_id)

    def wait_for(self, names: Iterable[ParticipantId]) -> None:
        """Wait until participants that were lost are connected again, within patience."""
        self._bus.wait_for(names, seconds=self._patience_seconds)

    def _prepared(
        self, step: Step, requests: Mapping[ParticipantId, WireMessage]
    ) -> tuple[dict[ParticipantId, bytes], RequestId]:
        encoded: dict[int, bytes] = {}  # a request that goes to several participants is encoded and uploaded once
        for request in requests.values():
            encoded.setdefault(id(request), request.encode())
        self._serial += 1
        request_id = RequestId(f"{self.plan.run_id}/{self._session}/{self._serial}/{step}")
        return {name: encoded[id(request)] for name, request in requests.items()}, request_id


def again(federation: Federation, act: Callable[[], Result]) -> Result:
    """What `act` comes to; if somebody is lost over it, it is tried again from its beginning, a few times."""
    for _ in range(1, TIMES_ASKED):
        try:
            return act()
        except (ParticipantsLost, ParticipantRefused) as loss:
            federation.wait_for(lost_by(loss))
    return act()


def lost_by(loss: ParticipantsLost | ParticipantRefused) -> set[ParticipantId]:
    """Who was lost: also one that died over a step and came back, which says so. Any other refusal stands."""
    if isinstance(loss, ParticipantsLost):
        return set(loss.lost)
    if loss.code not in INTERRUPTED:
        raise loss
    return {loss.participant}


def sum_of_words(shares: Iterable[bytes]) -> bytes:
    """The sum modulo 2^64, word by word, of shares; raises `MalformedMessage` if they differ in length."""
    total: np.ndarray[tuple[int], np.dtype[np.uint64]] | None = None
    for share in shares:
        if len(share) % WORD_BYTES:
            raise MalformedMessage("a share of a sum is not made of words")
        words = unpack_words(share, len(share) // WORD_BYTES)
        if total is not None and len(words) != len(total):
            raise MalformedMessage("the shares of a sum have different lengths")
        total = words.copy() if total is None else total + words
    return b"" if total is None else pack_words(total)


def by_recipient(
    items: Mapping[ParticipantId, tuple[Addressed, ...]],
) -> dict[ParticipantId, dict[ParticipantId, bytes]]:
    """Sort post: what each sender addressed to each recipient, as recipient -> sender -> payload."""
    sorted_post: dict[ParticipantId, dict[ParticipantId, bytes]] = {}
    for sender, letters in items.items():
        for letter in letters:
            sorted_post.setdefault(ParticipantId(letter.participant), {})[sender] = letter.payload
    return sorted_post


def post_for(
    recipient: ParticipantId, sorted_post: Mapping[ParticipantId, Mapping[ParticipantId, bytes]]
) -> tuple[Addressed, ...]:
    """The post of one recipient, by sender in canonical order."""
    letters = sorted_post.get(recipient, {})
    return tuple(Addressed(participant=sender, payload=letters[sender]) for sender in sorted(letters))
