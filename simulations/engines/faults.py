"""Faults of the network and of participants, chosen explicitly or drawn from a given generator.

Each participant draws from a generator of its own, in the order of its own messages, so a plan's faults do not depend
on how the participants' threads happen to be scheduled.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from crypto.identifiers import ParticipantId


class FaultAction(StrEnum):
    """What goes wrong with a message."""

    DROP_REQUEST = "drop-request"
    """The participant never sees it; nobody is told."""
    DROP_REPLY = "drop-reply"
    """The participant handles it, and the answer is lost; nobody is told."""
    DELAY = "delay"
    """The participant waits `seconds` before it handles it."""
    ERROR = "error"
    """Flower reports that the participant's app crashed before it handled it."""
    KILL = "kill"
    """The participant dies as it receives it; Flower reports it unavailable, now and from now on."""
    KILL_BEFORE_REPLY = "kill-before-reply"
    """The participant dies when it has handled it and before its reply is sent."""
    VANISH = "vanish"
    """The participant dies as it receives it, and nobody is told: it never answers again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault and the messages it strikes.

    `participant`, `kind`: whose messages and of which step; None for all. Of the matching messages of each participant
    the first `after` pass, and then `times` are struck (None: all), each with `probability`.
    """

    action: FaultAction
    participant: ParticipantId | None = None
    kind: str | None = None
    after: int = 0
    times: int | None = 1
    probability: float = 1.0
    seconds: float = 0.0


class ParticipantFaults:
    """The faults that strike one participant's messages; used by its thread alone."""

    def __init__(self, faults: Iterable[Fault], rng: np.random.Generator) -> None:
        self._faults = tuple(faults)
        self._rng = rng
        self._seen: Counter[int] = Counter()
        self._struck: Counter[int] = Counter()

    def strike(self, kind: str) -> dict[FaultAction, Fault]:
        """The faults that strike the participant's next message, of this kind."""
        struck: dict[FaultAction, Fault] = {}
        for number, fault in enumerate(self._faults):
            if fault.kind not in (None, kind):
                continue
            self._seen[number] += 1
            exhausted = fault.times is not None and self._struck[number] >= fault.times
            if self._seen[number] <= fault.after or exhausted or self._rng.random() >= fault.probability:
                continue
            self._struck[number] += 1
            struck[fault.action] = fault
        return struck


def faults_by_participant(
    faults: Sequence[Fault], participants: Iterable[ParticipantId], rng: np.random.Generator
) -> dict[ParticipantId, ParticipantFaults]:
    """Deal a plan out to its participants, each with a generator of its own drawn from `rng`."""
    names = sorted(participants)
    return {
        name: ParticipantFaults((fault for fault in faults if fault.participant in (None, name)), stream)
        for name, stream in zip(names, rng.spawn(len(names)), strict=True)
    }
