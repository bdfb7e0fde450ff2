"""Verify a receipt step by step, with nothing but public keys: what `yurong verify` says.

1 the receipt       it is a `.tlog-proof`
2 the log           the log's key signed the state that it names
3 the witnesses     enough of them cosigned it
4 the place         that state has an entry at this place
5 the entry         that entry is this one
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from crypto.errors import PeerError
from crypto.transparency.checkpoint import Checkpoint, signed_checkpoint
from crypto.transparency.cosignature import cosigned_at, require_quorum
from crypto.transparency.errors import NotIncluded
from crypto.transparency.note import Note
from crypto.transparency.receipt import Receipt, TrustedLog
from models.log.errors import ReceiptRefused
from models.wire.log_entry import LogEntry

STEPS: Final = ("the receipt", "the log", "the witnesses", "the place", "the entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a receipt proves: `entry` stands at `index` in this state, which these witnesses cosigned at these times.

    witnesses: by name, seconds since 1970.
    """

    entry: LogEntry
    index: int
    checkpoint: Checkpoint
    witnesses: dict[str, int]


def prove(data: bytes, entry: LogEntry, log: TrustedLog) -> Proven:
    """What a receipt proves of an entry; raises `ReceiptRefused`, which names the first step that fails."""
    with _step(1):
        receipt = Receipt.decode(data)
    with _step(2):
        checkpoint = signed_checkpoint(receipt.note, log.log_keys)
    with _step(3):
        witnesses = cosigned(receipt.note, log)
    with _step(4):
        if receipt.index >= checkpoint.size:
            raise NotIncluded("a log has fewer entries than a receipt says")
    with _step(5):
        receipt.verify(entry.encode(), log)
    return Proven(entry=entry, index=receipt.index, checkpoint=checkpoint, witnesses=witnesses)


def cosigned(note: Note, log: TrustedLog) -> dict[str, int]:
    """When each witness cosigned, seconds since 1970; raises `TooFewWitnesses` below the quorum, `SignatureInvalid`."""
    require_quorum(note, log.witnesses, log.quorum)
    times: dict[str, int] = {}
    for key in log.witnesses:
        at = cosigned_at(note, key)
        if at is not None:
            times[key.name] = max(at, times.get(key.name, 0))
    return dict(sorted(times.items()))


@contextmanager
def _step(number: int) -> Iterator[None]:
    try:
        yield
    except PeerError as fault:
        raise ReceiptRefused(f"step {number} of {len(STEPS)}, {STEPS[number - 1]}", fault) from fault
