"""The bureau's side of any step: typed requests out, typed replies in, sums of words it cannot read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np

from coordinator.bus import Bus
from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId, RequestId
from models.wire.codec import WORD_BYTES, WireMessage, pack_words, unpack_words
from models.wire.envelope import Addressed
from models.wire.plan import RunPlan
from models.wire.steps import Step

Reply = TypeVar("Reply", bound=WireMessage)


class Federation:
    """A plan and the bus that reaches its participants."""

    def __init__(self, bus: Bus, plan: RunPlan, *, deadline_seconds: float, session: str) -> None:
        self.plan = plan
        self._bus = bus
        self._deadline_seconds = deadline_seconds
        self._session = session  # new in each process: no request of a stopped run is repeated under its old id
        self._serial = 0

    def ask(
        self, step: Step, requests: Mapping[ParticipantId, WireMessage], reply_type: type[Reply]
    ) -> dict[ParticipantId, Reply]:
        """Ask several participants for one step. Raises what `Bus.call` raises, and `MalformedMessage`."""
        encoded: dict[int, bytes] = {}  # a request that goes to several participants is encoded and uploaded once
        for request in requests.values():
            encoded.setdefault(id(request), request.encode())
        bodies = {name: encoded[id(request)] for name, request in requests.items()}
        self._serial += 1
        request_id = RequestId(f"{self.plan.run_id}/{self._session}/{self._serial}/{step}")
        replies = self._bus.call(step, bodies, deadline_seconds=self._deadline_seconds, request_id=request_id)
        return {name: reply_type.decode(body) for name, body in replies.items()}


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
