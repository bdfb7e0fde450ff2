"""What a score request gets of the log on its way: its place, the proof of it, and what a department has not seen yet.

    prove           the request is in the log, and this is where          before a department is asked
    extension_for   what the log has gained since this department was shown it last, up to that place
    answered, refused                                                     what came of it; nobody waits for that

The same bytes get the same place, checkpoint and path however often they come and whatever became of this process
meanwhile: a department that answered once has kept its answer, and is not made to doubt what it verified then.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.sequencer import Sequencer
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from models.hosting.clock import Clock, SystemClock
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.log_view import LogExtension
from models.wire.refusal import Refusal
from models.wire.score_statement import request_digest

_AT_HAND: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A request's place in the log of `size` entries, whose checkpoint is `note`. `path`: from the leaf up."""

    index: int
    size: int
    note: bytes
    path: tuple[bytes, ...]


class ScoreProofs:
    """The log as the way of scores needs it. Used within one event loop.

    `known_size`: how much of the log a department is known to have seen. `identity`: what the bureau signs with.
    """

    def __init__(
        self,
        sequencer: Sequencer,
        known_size: Callable[[ParticipantId], int],
        *,
        bureau: ParticipantId,
        identity: Callable[[], Identity],
        clock: Clock | None = None,
    ) -> None:
        self._sequencer, self._known_size = sequencer, known_size
        self._bureau, self._identity = bureau, identity
        self._clock: Clock = clock or SystemClock()
        self._proven: OrderedDict[LogEntry, Proven] = OrderedDict()

    async def prove(self, document: bytes, tag: bytes) -> Proven:
        """Put a bank's signed statement into the log, unless it is there; where it is. `tag`: of the use, 16 bytes.

        Raises `MalformedMessage`, and what `Sequencer.append` raises.
        """
        entry = LogEntry(kind=EntryKind.REQUEST, digest=request_digest(document), tag=tag)
        if entry not in self._proven:
            placed = await self._sequencer.append([Logged(entry, document)])
            path = self._sequencer.inclusion(placed.index, placed.size)
            self._proven[entry] = Proven(index=placed.index, size=placed.size, note=placed.note, path=path)
            if len(self._proven) > _AT_HAND:
                self._proven.popitem(last=False)
        return self._proven[entry]

    def extension_for(self, department: ParticipantId, proven: Proven) -> LogExtension:
        """What this department has not seen of the log that a request was proven in; nothing if it has seen more.

        It ends before the request for a department that is far behind, which refuses then; witnessing brings it up.
        """
        return self._sequencer.extension(min(self._known_size(department), proven.size), proven.size, proven.note)

    def answered(self, digest: bytes, answer_digest: bytes) -> None:
        """A request came to an answer. Both digests have 32 bytes."""
        self._sequencer.append_later([Logged(answer_entry(digest, answer_digest))])

    def refused(self, digest: bytes, department: ParticipantId, problem_slug: str) -> None:
        """A department refused a request, with this type of problem. Raises `MalformedMessage` for what is none."""
        refusal = Refusal(
            bureau=self._bureau,
            department=department,
            problem=problem_slug,
            request=digest,
            at=int(self._clock.now()),
        )
        document = refusal.sign(self._identity())
        self._sequencer.append_later([Logged(Refusal.entry(document), document)])


def answer_entry(request: bytes, answer: bytes) -> LogEntry:
    """What the log says of an answer: SHA-256 of the digests (32 bytes each) of the request and of the answer."""
    return LogEntry(kind=EntryKind.ANSWER, digest=hashlib.sha256(request + answer).digest())
