"""That an entry is in a log, for anybody to verify without asking anyone: C2SP tlog-proof, in `.tlog-proof` files.

c2sp.org/tlog-proof@v1
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=     the digests beside the way from the entry to the root
…

example.com/fancylog                             a checkpoint, its log's signature and its witnesses'
109482
…
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Final

from crypto.errors import MalformedMessage, PeerError
from crypto.merkle import DIGEST_BYTES, leaf_digest, root_of_path
from crypto.transparency.checkpoint import Checkpoint, number_of, signed_checkpoint
from crypto.transparency.consistency import MAXIMUM_STEPS
from crypto.transparency.cosignature import require_quorum
from crypto.transparency.errors import NotIncluded
from crypto.transparency.frontier import MAXIMUM_SIZE
from crypto.transparency.note import Note, NoteKey, decode_base64, encode_base64

MAXIMUM_RECEIPT_BYTES: Final = 1 << 17
_HEADER: Final = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedLog:
    """Whom one believes about a log: its keys, its witnesses' keys, and how many of these must have cosigned."""

    log_keys: tuple[NoteKey, ...]
    witnesses: tuple[NoteKey, ...]
    quorum: int

    def checkpoint(self, note: Note) -> Checkpoint:
        """The state of the log in a note, if enough of them say so.

        Raises `SignatureInvalid`, `TooFewWitnesses` and `MalformedMessage`.
        """
        checkpoint = signed_checkpoint(note, self.log_keys)
        require_quorum(note, self.witnesses, self.quorum)
        return checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The place of an entry in a log, and the proof of it. `path`: digests from the leaf's neighbour up."""

    index: int
    path: tuple[bytes, ...]
    note: Note

    def verify(self, entry: bytes, log: TrustedLog) -> Checkpoint:
        """The state of the log that has this entry at this place.

        Raises `SignatureInvalid`, `TooFewWitnesses`, `NotIncluded` and `MalformedMessage`.
        """
        # (1) The log and enough witnesses have signed this state.
        checkpoint = log.checkpoint(self.note)
        self.require_included(entry, checkpoint)
        return checkpoint

    def require_included(self, entry: bytes, checkpoint: Checkpoint) -> None:
        """Raise `NotIncluded` unless this state, which the caller has verified, has this entry at this place."""
        # (2) It has an entry at this place.
        if self.index >= checkpoint.size:
            raise NotIncluded("a log has fewer entries than a receipt says")
        # (3) That entry is this one.
        try:
            root = root_of_path(leaf_digest(entry), self.index, checkpoint.size, b"".join(self.path))
        except PeerError as fault:
            raise NotIncluded(fault.message) from None
        if not hmac.compare_digest(root, checkpoint.root):
            raise NotIncluded("a log has another entry at the place that a receipt names")

    def encode(self) -> bytes:
        """The receipt as a file."""
        lines = [_HEADER, f"index {self.index}", *map(encode_base64, self.path), "", ""]
        return "\n".join(lines).encode() + self.note.encode()

    @classmethod
    def decode(cls, data: bytes) -> Receipt:
        """What `encode` gave; raises `MalformedMessage`. Receipts with extra data are none of ours."""
        if len(data) > MAXIMUM_RECEIPT_BYTES:
            raise MalformedMessage("a receipt is too long")
        head, blank, note = data.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise MalformedMessage("a receipt is no text") from None
        if not blank or len(lines) < 2 or lines[0] != _HEADER or not lines[1].startswith("index "):
            raise MalformedMessage("a receipt begins with its format and an index")
        path = tuple(map(decode_base64, lines[2:]))
        if len(path) > MAXIMUM_STEPS or any(len(digest) != DIGEST_BYTES for digest in path):
            raise MalformedMessage("a proof of a receipt is not of digests, or too long")
        index = number_of(lines[1].removeprefix("index "), most=MAXIMUM_SIZE)
        return cls(index=index, path=path, note=Note.decode(note))
