"""The table "What each party saw": recorded traffic, and what can be learnt from each kind of message."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crypto.identifiers import Role
from simulations.report.data import ReportData
from simulations.report.exchanges import TO_BANK, TO_BUREAU, TO_DEPARTMENT, Message
from simulations.report.traffic import Direction, Traffic, TrafficEntry

UNKNOWN: Final = Message(holds="A message that this report does not know", learns="Not described.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One kind of message that somebody received."""

    kind: str
    messages: int
    serialised_bytes: int
    holds: str
    learns: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What the bureau, the departments together, or the banks together received; and in a sentence, what came of it."""

    name: str
    summary: str
    sights: tuple[Sight, ...]

    @property
    def messages(self) -> int:
        """All messages received."""
        return sum(sight.messages for sight in self.sights)

    @property
    def serialised_bytes(self) -> int:
        """All bytes received."""
        return sum(sight.serialised_bytes for sight in self.sights)


_BUREAU_SUMMARY: Final = (
    "Learnt who takes part, how many enterprises each brings, how large each block is, and the figures of this "
    "report. No feature, no outcome, no score, and not which enterprises."
)
_DEPARTMENT_SUMMARY: Final = (
    "Each learnt which of its own enterprises are in a bank’s cohort, whom a bank asks about, how often its bins "
    "defaulted, and its own part of the model. No other department’s records, and no score."
)
_BANK_SUMMARY: Final = (
    "Each learnt scores of enterprises in its own book, as sums over all departments, and which department holds "
    "which of them. Never one department’s part, nobody else’s borrowers."
)
_OF_TWO_BANKS: Final = " Of two, each also learns the other’s totals, by taking its own from the sum."


def what_was_seen(data: ReportData) -> tuple[Witness, ...]:
    """The bureau, the departments and the banks; nothing if no traffic was recorded."""
    traffic = data.traffic
    if traffic is None:
        return ()
    everybody = [holder.participant_id for holder in data.holders]
    departments = [holder.participant_id for holder in data.having(Role.DEPARTMENT)]
    banks = [holder.participant_id for holder in data.having(Role.BANK)]
    bank_summary = _BANK_SUMMARY + (_OF_TWO_BANKS if len(banks) == 2 else "")
    return (
        _witness("The bureau", _BUREAU_SUMMARY, TO_BUREAU, traffic.of(everybody, Direction.SENT)),
        _witness("The departments", _DEPARTMENT_SUMMARY, TO_DEPARTMENT, _received(traffic, departments)),
        _witness("The banks", bank_summary, TO_BANK, _received(traffic, banks)),
    )


def _received(traffic: Traffic, parties: list[str]) -> tuple[TrafficEntry, ...]:
    return traffic.of(parties, Direction.RECEIVED)


def _witness(name: str, summary: str, described: Mapping[str, Message], entries: tuple[TrafficEntry, ...]) -> Witness:
    sights = [_sight(entry, described) for entry in entries]
    return Witness(name=name, summary=summary, sights=tuple(sights))


def _sight(entry: TrafficEntry, described: Mapping[str, Message]) -> Sight:
    message = described.get(entry.kind, UNKNOWN)
    return Sight(
        kind=entry.kind,
        messages=entry.messages,
        serialised_bytes=entry.serialised_bytes,
        holds=message.holds,
        learns=message.learns,
    )
