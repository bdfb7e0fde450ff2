"""What a witness does with a log's new state, of which it is shown every entry.

    seen before          | | | | | | | |
    shown                        a b c d e f      from `start` on
    new                                  e f      appended to what was seen, they have to lead to the checkpoint's root

A witness of C2SP tlog-witness is shown a proof of consistency and keeps a root. Ours are shown the entries and keep the
tree's right edge: whoever comes to the log's root by itself has seen all that is in the log, and needs no proof of it.
Where the entries begin does not matter as long as nothing is left out, so many requests may be under way at once.

What a witness refuses under the log's own signature is evidence: two states of one size with different roots can be
shown to anybody.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from crypto.errors import MalformedMessage
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.errors import LogForked, NotConsistent, OtherStateSeen
from crypto.transparency.frontier import Frontier


@dataclass(frozen=True, slots=True)
class Growth:
    """What a witness has seen after an extension. roots: of the tree after each entry that was new to it, 32 bytes."""

    frontier: Frontier
    roots: tuple[bytes, ...]


def grown(seen: Frontier, checkpoint: Checkpoint, start: int, leaves: Sequence[bytes]) -> Growth:
    """What was seen, with the new ones among `leaves` (digests of the entries from `start` on) after it.

    The log has signed `checkpoint` (`signed_checkpoint`), which is of more entries than were seen, or of as many.
    Raises `MalformedMessage`, `OtherStateSeen` (the log is to show itself from that size on), `LogForked` and
    `NotConsistent`. Whoever calls this compares and remembers in one step, or two requests at once roll it back.
    """
    # (1) The entries end where the checkpoint does.
    if start + len(leaves) != checkpoint.size or checkpoint.size < seen.size:
        raise MalformedMessage("the entries that a log shows do not end at its checkpoint")
    # (2) They begin where what was seen ends, or before.
    if start > seen.size:
        raise OtherStateSeen(seen.size)
    # (3) The same size as before has the same root.
    if checkpoint.size == seen.size:
        require_root(checkpoint, seen.root())
        return Growth(seen, ())
    # (4) What was seen, and then these entries, is the tree of the checkpoint.
    frontier, roots = seen.copy(), []
    for leaf in leaves[seen.size - start :]:
        frontier.append(leaf)
        roots.append(frontier.root())
    if not hmac.compare_digest(roots[-1], checkpoint.root):
        raise NotConsistent("a log is not what it was with the entries at its end that it shows")
    return Growth(frontier, tuple(roots))


def require_root(checkpoint: Checkpoint, root: bytes) -> None:
    """Raise `LogForked` unless a checkpoint has the root (32 bytes) that the log was seen to have at its size."""
    if not hmac.compare_digest(checkpoint.root, root):
        raise LogForked(
            "the log has signed two states of one size", advice="Tell the other departments, and keep both."
        )
