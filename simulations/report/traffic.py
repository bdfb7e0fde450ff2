"""A recorder of what passed the bureau in a run: who was sent what, how often, how much, and what it looked like.

Made to be called for every message (`simulations/engines/local_grid.py`). Of a message it keeps its size and what
`inspection.py` counts; nothing of its content.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from simulations.report.inspection import Inspection, Inspector

BUREAU: Final = "bureau"


class Direction(StrEnum):
    """Seen from the participant; the bureau is always the other side."""

    RECEIVED = "received"
    SENT = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficEntry:
    """All messages of one kind that one participant received, or sent."""

    party: str
    kind: str
    direction: Direction
    messages: int
    payload_bytes: int  # bodies alone
    serialised_bytes: int  # as carried, headers included


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What passed the bureau; entries in the order in which each kind was first seen."""

    entries: tuple[TrafficEntry, ...]
    inspection: Inspection

    @property
    def serialised_bytes(self) -> int:
        """All bytes through the bureau, in and out."""
        return sum(entry.serialised_bytes for entry in self.entries)

    @property
    def messages(self) -> int:
        """All messages through the bureau, in and out."""
        return sum(entry.messages for entry in self.entries)

    def of(self, parties: Iterable[str], direction: Direction) -> tuple[TrafficEntry, ...]:
        """Entries by kind, added up over `parties`."""
        wanted = set(parties)
        totals: dict[str, tuple[int, int, int]] = {}
        for entry in self.entries:
            if entry.party in wanted and entry.direction is direction:
                messages, payload, serialised = totals.get(entry.kind, (0, 0, 0))
                totals[entry.kind] = (
                    messages + entry.messages,
                    payload + entry.payload_bytes,
                    serialised + entry.serialised_bytes,
                )
        name = ", ".join(sorted(wanted))
        return tuple(
            TrafficEntry(party=name, kind=kind, direction=direction, messages=m, payload_bytes=p, serialised_bytes=s)
            for kind, (m, p, s) in totals.items()
        )


class TrafficLog:
    """Give it to a grid as its recorder; ask for `traffic()` when the run has ended. Calls must not overlap."""

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str, Direction], list[int]] = {}
        self._inspector = Inspector()

    def __call__(self, sender: str, receiver: str, kind: str, payload: bytes, serialised_bytes: int, /) -> None:
        """Record one message between the bureau and a participant."""
        from_bureau = sender == BUREAU
        key = (receiver, kind, Direction.RECEIVED) if from_bureau else (sender, kind, Direction.SENT)
        total = self._totals.setdefault(key, [0, 0, 0])
        total[0] += 1
        total[1] += len(payload)
        total[2] += serialised_bytes
        if not from_bureau:
            self._inspector.look(payload)

    def traffic(self) -> Traffic:
        """What was recorded so far."""
        entries = tuple(
            TrafficEntry(
                party=party,
                kind=kind,
                direction=direction,
                messages=messages,
                payload_bytes=payload_bytes,
                serialised_bytes=serialised_bytes,
            )
            for (party, kind, direction), (messages, payload_bytes, serialised_bytes) in self._totals.items()
        )
        return Traffic(entries=entries, inspection=self._inspector.inspection())
