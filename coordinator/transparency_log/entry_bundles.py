"""Entries of a log, one after the other: C2SP tlog-tiles, "Log entries".

length, 2 bytes big-endian ‖ entry ‖ length ‖ entry ...
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crypto.errors import MalformedMessage

MAXIMUM_ENTRY_BYTES: Final = 255
"""What we write is shorter: a kind and one or two digests."""

_LENGTH_BYTES: Final = 2


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Entries as one string; raises `MalformedMessage` for one that is empty or too long."""
    framed: list[bytes] = []
    for entry in entries:
        if not 1 <= len(entry) <= MAXIMUM_ENTRY_BYTES:
            raise MalformedMessage("an entry of the log is empty or too long")
        framed += [len(entry).to_bytes(_LENGTH_BYTES, "big"), entry]
    return b"".join(framed)


def decode_entries(data: bytes) -> list[bytes]:
    """What `encode_entries` gave; raises `MalformedMessage`."""
    entries, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + _LENGTH_BYTES], "big")
        at += _LENGTH_BYTES
        entry = data[at : at + length]
        if not 1 <= length <= MAXIMUM_ENTRY_BYTES or len(entry) != length:
            raise MalformedMessage("entries of the log are cut off, empty or too long")
        entries.append(entry)
        at += length
    return entries
