"""A bureau that keeps all that passes through its hands and searches it for what it should not see.

What is searched for are `Trace`s: pieces of a secret as they would look on the wire in one encoding. A piece is found
wherever it begins, in any message, whatever stands around it. Pieces that say nothing (a zero, a run of equal bytes)
are not searched for: they are everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HEAD_BYTES: Final = 8
_TELLING_BYTES: Final = 4
_TELLING_CHANGES: Final = 8
_HASH_BITS: Final = 24
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message that the bureau sent or received."""

    sender: str
    receiver: str
    kind: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A secret in one encoding: pieces of `length` bytes (8 or more) of `data`, one every `step` bytes."""

    name: str
    data: bytes
    step: int
    length: int

    def telling_pieces(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Where the pieces begin that cannot be met by accident, and their first eight bytes; both `(pieces,)`."""
        if len(self.data) < self.length:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
        every = np.frombuffer(self.data, dtype=np.uint8)
        pieces = np.lib.stride_tricks.sliding_window_view(every, self.length)[:: self.step]
        if self.length <= 2 * HEAD_BYTES:
            telling = (np.diff(np.sort(pieces, axis=1), axis=1) != 0).sum(axis=1) + 1 >= _TELLING_BYTES
        else:
            telling = (np.diff(pieces, axis=1) != 0).sum(axis=1) >= _TELLING_CHANGES
        heads = np.ascontiguousarray(pieces[telling, :HEAD_BYTES]).view("<u8").ravel()
        return np.flatnonzero(telling) * self.step, heads


class CuriousBureau:
    """Give it to a grid as its recorder."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []

    def __call__(self, sender: str, receiver: str, kind: str, payload: bytes, _size: int, /) -> None:
        """Keep one message."""
        self.letters.append(Letter(sender=sender, receiver=receiver, kind=kind, payload=payload))

    def find(self, traces: Iterable[Trace]) -> dict[str, list[str]]:
        """The names of the traces of which some piece was seen, each with the kinds of message it was seen in."""
        seen: dict[bytes, str] = {letter.payload: letter.kind for letter in self.letters}
        return find_traces(seen, list(traces))


def find_traces(messages: dict[bytes, str], traces: list[Trace]) -> dict[str, list[str]]:
    """As `CuriousBureau.find`, in these messages; their values are the kinds."""
    index = _Index(traces)
    found: dict[str, set[str]] = {}
    for payload, kind in messages.items():
        for place, head in index.places(payload):
            for length, pieces in index.pieces(head).items():
                for name in pieces.get(payload[place : place + length], ()):
                    found.setdefault(name, set()).add(kind)
    return {name: sorted(kinds) for name, kinds in sorted(found.items())}


class _Index:
    """All telling pieces, by their first eight bytes."""

    def __init__(self, traces: list[Trace]) -> None:
        self._traces = traces
        pieces = [trace.telling_pieces() for trace in traces]
        heads = np.concatenate([head for _, head in pieces])
        order = np.argsort(heads, kind="stable")
        self._heads = heads[order]
        self._owners = np.repeat(np.arange(len(traces)), [len(head) for _, head in pieces])[order]
        self._starts = np.concatenate([start for start, _ in pieces])[order]
        self._table = np.zeros(1 << _HASH_BITS, dtype=bool)
        self._table[_hash(heads)] = True
        self._by_head: dict[int, dict[int, dict[bytes, set[str]]]] = {}

    def places(self, payload: bytes) -> Iterable[tuple[int, int]]:
        """Places in a message where the first bytes of a piece stand, and these bytes as a number."""
        for offset in range(min(HEAD_BYTES, max(0, len(payload) - HEAD_BYTES + 1))):
            words = np.frombuffer(payload, dtype="<u8", offset=offset, count=(len(payload) - offset) // HEAD_BYTES)
            hits = np.flatnonzero(self._table[_hash(words)])
            nearest = np.minimum(np.searchsorted(self._heads, words[hits]), len(self._heads) - 1)
            for hit in hits[self._heads[nearest] == words[hits]]:
                yield int(hit) * HEAD_BYTES + offset, int(words[hit])

    def pieces(self, head: int) -> dict[int, dict[bytes, set[str]]]:
        """The pieces that begin with `head`: by length, the names of the traces that each is of."""
        if head not in self._by_head:
            first, last = (int(np.searchsorted(self._heads, np.uint64(head), side)) for side in ("left", "right"))
            by_length: dict[int, dict[bytes, set[str]]] = {}
            for owner, start in zip(self._owners[first:last], self._starts[first:last], strict=True):
                trace = self._traces[owner]
                piece = trace.data[start : start + trace.length]
                by_length.setdefault(trace.length, {}).setdefault(piece, set()).add(trace.name)
            self._by_head[head] = by_length
        return self._by_head[head]


def _hash(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    return ((words * _MULTIPLIER) >> np.uint64(64 - _HASH_BITS)).astype(np.int64)
