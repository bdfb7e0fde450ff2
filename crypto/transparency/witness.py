"""What a witness does with a log's new state: C2SP tlog-witness, `add-checkpoint`.

    old 20852014                                     how large the log was when this witness saw it last
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=     the proof of consistency, from there on
    …

    example.com/behind-the-sofa                      the new checkpoint, signed by the log
    20852163
    …

A witness keeps the last state that it cosigned, and cosigns only what extends it. What it refuses under the log's own
signature is evidence: two states of which neither is the beginning of the other can be shown to anybody.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from crypto.errors import MalformedMessage
from crypto.merkle import DIGEST_BYTES
from crypto.transparency.checkpoint import Checkpoint, number_of, signed_checkpoint
from crypto.transparency.consistency import MAXIMUM_STEPS, check_consistency
from crypto.transparency.errors import LogForked, OtherStateSeen
from crypto.transparency.frontier import EMPTY_ROOT, MAXIMUM_SIZE
from crypto.transparency.note import MAXIMUM_NOTE_BYTES, Note, NoteKey, decode_base64, encode_base64

MAXIMUM_REQUEST_BYTES: Final = MAXIMUM_NOTE_BYTES + (1 << 12)


@dataclass(frozen=True, slots=True)
class Seen:
    """The last state of a log that a witness has cosigned. `root`: 32 bytes."""

    size: int = 0
    root: bytes = EMPTY_ROOT


NOTHING: Final = Seen()
"""What a witness has seen of a log that it does not know yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """What a log asks of a witness: to cosign the checkpoint in `note`; `proof`: that it extends the old state."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note

    def encode(self) -> bytes:
        """The body of the request."""
        lines = [f"old {self.old_size}", *map(encode_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.note.encode()

    @classmethod
    def decode(cls, data: bytes) -> AddCheckpoint:
        """What `encode` gave; raises `MalformedMessage`."""
        if len(data) > MAXIMUM_REQUEST_BYTES:
            raise MalformedMessage("a request to a witness is too long")
        head, blank, note = data.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise MalformedMessage("a request to a witness is no text") from None
        proof = tuple(map(decode_base64, lines))
        if not blank or not first.startswith("old ") or len(proof) > MAXIMUM_STEPS:
            raise MalformedMessage("a request to a witness begins with the old size and a proof")
        if any(len(digest) != DIGEST_BYTES for digest in proof):
            raise MalformedMessage("a proof of consistency is of digests")
        old_size = number_of(first.removeprefix("old "), most=MAXIMUM_SIZE)
        return cls(old_size=old_size, proof=proof, note=Note.decode(note))


def extended(request: AddCheckpoint, seen: Seen, *, origin: str, log_keys: Collection[NoteKey]) -> Checkpoint:
    """The state to cosign and to remember before that, if it extends what was seen.

    Raises `SignatureInvalid`, `OtherStateSeen` (the log is to ask again from that size), `LogForked` and
    `NotConsistent`. Whoever calls this compares and remembers in one step, or two requests at once roll it back.
    """
    # (1) The log that this witness knows has signed the checkpoint.
    checkpoint = signed_checkpoint(request.note, [key for key in log_keys if key.name == origin])
    # (2) The same size as before has the same root: this needs no proof, and a fork shows here without any.
    if checkpoint.size == seen.size and not hmac.compare_digest(checkpoint.root, seen.root):
        raise LogForked(
            "the log has signed two states of one size", advice="Tell the other departments, and keep both."
        )
    # (3) It goes on from the state that was seen last.
    if request.old_size != seen.size:
        raise OtherStateSeen(seen.size)
    # (4) It extends that state.
    check_consistency(seen.size, seen.root, checkpoint.size, checkpoint.root, request.proof)
    return checkpoint
