"""What the bureau shows a department of the log, and what the department says to it: `docs/protocols.md`, "The log".

bureau -> dept.   WitnessRequest    entries and a checkpoint after them     reply WitnessReply: its cosignature

The same `LogExtension` comes with every score request, so a department has seen all that was logged before it. The
documents of `PUBLIC` entries come along: an extension without one of them is refused, so nothing that restricts can be
logged and kept from who has to heed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import msgspec

from crypto.transparency.note import MAXIMUM_NOTE_BYTES
from models.wire.codec import Count, WireMessage

MAXIMUM_ENTRIES: Final = 20_000
"""Of one extension; a department that is further behind is shown the log in several."""

_Entry = Annotated[bytes, msgspec.Meta(min_length=1, max_length=255)]
_Entries = Annotated[tuple[_Entry, ...], msgspec.Meta(max_length=MAXIMUM_ENTRIES)]
_Document = Annotated[bytes, msgspec.Meta(max_length=1 << 15)]
_Note = Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_NOTE_BYTES)]
_Cosignature = Annotated[bytes, msgspec.Meta(max_length=72)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogExtension(WireMessage):
    """The entries from `start` on, the documents of the public ones among them in order, and the checkpoint after them.

    checkpoint: a signed note; witnesses may have cosigned it.
    """

    MAXIMUM_BYTES: ClassVar[int] = 1 << 22
    start: Count
    entries: _Entries
    documents: tuple[_Document, ...]
    checkpoint: _Note


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessRequest(WireMessage):
    """The bureau asks for a cosignature. attested: an earlier checkpoint with its cosignatures, or nothing."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 22
    extension: LogExtension
    attested: _Note


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessReply(WireMessage):
    """How much of the log this department has seen, and its cosignature of the checkpoint: time, 8 bytes, and 64 bytes.

    It is empty if the extension begins behind what was seen: the bureau is to begin at `size`.
    """

    MAXIMUM_BYTES: ClassVar[int] = 1 << 10
    size: Count
    cosignature: _Cosignature
