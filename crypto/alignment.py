"""Private set intersection by an oblivious pseudorandom function (2HashDH; Jarecki, Kiayias, Krawczyk 2014).

    F_k(id) = SHA-256(id, k * H(id)) cut to 16 bytes        H: RFC 9380 onto Curve25519, see `crypto.curve`

    bank                                     department, key k
    a_id * H(id)  for each id      ------>
                                   <------   k * a_id * H(id),  and F_k of its own ids, sorted
    a_id^-1 * k * a_id * H(id), hence F_k(id), to be looked for among the department's

| who        | learns                                                                            |
|------------|-----------------------------------------------------------------------------------|
| department | how many ids the bank asks about. Each blinded point is uniform whatever the id, so  |
|            | no computer of any kind gets more from it                                         |
| bank       | which of its ids the department holds, and how many the department holds in all    |
| bureau     | those two numbers, if it relays                                                   |

Enterprise ids are public, so whoever can compute the tag of an id tests the whole register. A plain hash
everybody can compute; F_k takes the department, which sees how many times it is asked. A malicious bank asks
about ids that are none of its own, a malicious department claims to hold ids that it does not: the number of
questions is all that either sees of it. The key is new in every run, so tags of two runs do not compare.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from crypto.curve import (
    POINT_BYTES,
    SCALAR_BYTES,
    check_points,
    encode_to_curve,
    inverse_scalar,
    multiply,
    new_scalars,
)
from crypto.errors import MalformedMessage, ProtocolStateError
from crypto.identifiers import EnterpriseId
from crypto.labels import Label, labelled
from crypto.secret import Secret

TAG_BYTES: Final = 16
"""Two different ids share a tag with probability 2^-128."""

MAXIMUM_IDS: Final = 5_000_000

_DOMAIN: Final = Label.ALIGNMENT_ELEMENT.encode()
_CHUNK: Final = 512

_Pieces = Callable[[int, int], bytes]


class AlignmentBank(Secret):
    """The bank's side: its ids and a blinding scalar for each. One blinding serves any number of departments."""

    __slots__ = ("_ids", "_scalars", "_threads")

    def __init__(
        self, ids: Sequence[EnterpriseId], *, threads: int | None = None, scalars: bytes | None = None
    ) -> None:
        """Draw a scalar for each of `ids`, which are all different. `threads`: one a core unless said otherwise.

        `scalars` (n * 32 bytes) are for a side that was stored; see `from_private_bytes`.
        """
        if len(ids) > MAXIMUM_IDS or len(set(ids)) != len(ids):
            raise ProtocolStateError("the ids of an alignment are different, and five million at most")
        self._ids = tuple(ids)
        self._scalars = new_scalars(len(ids)) if scalars is None else scalars
        self._threads = threads or _cores()

    @classmethod
    def from_private_bytes(cls, data: bytes, ids: Sequence[EnterpriseId], *, threads: int | None = None) -> Self:
        """Return the side that `to_private_bytes` gave, with the same ids in the same order."""
        if len(data) != SCALAR_BYTES * len(ids):
            raise MalformedMessage("a bank's alignment holds one scalar for each of its ids")
        return cls(ids, threads=threads, scalars=data)

    def to_private_bytes(self) -> bytes:
        """Return the scalars (n * 32 bytes), not the ids."""
        return self._scalars

    def blind(self) -> bytes:
        """Return the blinded points (n * 32 bytes) in the order of the ids. The same each time."""
        return _in_threads(len(self._ids), self._threads, self._blind)

    def tags(self, evaluated: bytes) -> bytes:
        """Return the tags of the bank's ids (n * 16 bytes, in their order) under the department's key.

        `MalformedMessage` unless `evaluated` is one canonical point for each id, none of small order.
        """
        if len(evaluated) != POINT_BYTES * len(self._ids):
            raise MalformedMessage("a department answered for another number of ids")
        check_points(evaluated)
        return _in_threads(len(self._ids), self._threads, lambda start, stop: self._tags(evaluated, start, stop))

    def _blind(self, start: int, stop: int) -> bytes:
        return b"".join(
            multiply(_piece(self._scalars, index), encode_to_curve(self._ids[index].encode(), _DOMAIN))
            for index in range(start, stop)
        )

    def _tags(self, evaluated: bytes, start: int, stop: int) -> bytes:
        return b"".join(
            _tag(self._ids[index], multiply(inverse_scalar(_piece(self._scalars, index)), _piece(evaluated, index)))
            for index in range(start, stop)
        )


class AlignmentDepartment(Secret):
    """The department's side: its key of this run."""

    __slots__ = ("_key", "_threads")

    def __init__(self, key: bytes, *, threads: int | None = None) -> None:
        inverse_scalar(key)  # a clamped scalar, or refused
        self._key = key
        self._threads = threads or _cores()

    @classmethod
    def generate(cls, *, threads: int | None = None) -> Self:
        """Return a side with a new key. `threads`: one a core unless said otherwise."""
        return cls(new_scalars(1), threads=threads)

    @classmethod
    def from_private_bytes(cls, data: bytes, *, threads: int | None = None) -> Self:
        """Return the side that `to_private_bytes` gave; `MalformedMessage` for what is no key."""
        try:
            return cls(data, threads=threads)
        except ProtocolStateError as error:
            raise MalformedMessage("an alignment's key is a clamped scalar") from error

    def to_private_bytes(self) -> bytes:
        """Return the key (32 bytes)."""
        return self._key

    def evaluate(self, blinded: bytes) -> bytes:
        """Return the key's multiples (n * 32 bytes) of a bank's blinded points.

        `MalformedMessage` unless `blinded` is canonical points, none of small order, five million at most.
        """
        if len(blinded) > POINT_BYTES * MAXIMUM_IDS:
            raise MalformedMessage("a bank asks about too many ids at once")
        check_points(blinded)
        return _in_threads(
            len(blinded) // POINT_BYTES,
            self._threads,
            lambda start, stop: b"".join(multiply(self._key, _piece(blinded, index)) for index in range(start, stop)),
        )

    def tags(self, ids: Sequence[EnterpriseId]) -> bytes:
        """Return the tags of the department's own ids (n * 16 bytes), in their order. Sort them before they leave."""
        if len(ids) > MAXIMUM_IDS:
            raise ProtocolStateError("the ids of an alignment are five million at most")
        return _in_threads(len(ids), self._threads, lambda start, stop: self._tags(ids[start:stop]))

    def _tags(self, ids: Sequence[EnterpriseId]) -> bytes:
        return b"".join(_tag(each, multiply(self._key, encode_to_curve(each.encode(), _DOMAIN))) for each in ids)


def intersect(own_tags: bytes, their_tags: bytes) -> NDArray[np.int64]:
    """Return the places in `own_tags` of those that are among `their_tags`, rising: int64 (matches,)."""
    if len(own_tags) % TAG_BYTES or len(their_tags) % TAG_BYTES:
        raise MalformedMessage("tags come in another length than 16 bytes each")
    own, their = (np.frombuffer(tags, dtype=f"V{TAG_BYTES}").tolist() for tags in (own_tags, their_tags))
    wanted = set(their)
    return np.array([place for place, tag in enumerate(own) if tag in wanted], np.int64)


def _tag(enterprise_id: EnterpriseId, point: bytes) -> bytes:
    return hashlib.sha256(labelled(Label.ALIGNMENT_TAG, enterprise_id.encode(), point)).digest()[:TAG_BYTES]


def _piece(data: bytes, index: int) -> bytes:
    return data[POINT_BYTES * index : POINT_BYTES * (index + 1)]


def _cores() -> int:
    return os.cpu_count() or 1


def _in_threads(count: int, threads: int, piece: _Pieces) -> bytes:
    """Return the pieces 0 to `count` joined. Multiplications run without the interpreter's lock."""
    starts = range(0, count, _CHUNK)
    stops = [min(start + _CHUNK, count) for start in starts]
    if threads == 1 or len(starts) <= 1:
        return b"".join(map(piece, starts, stops))
    with ThreadPoolExecutor(threads) as pool:
        return b"".join(pool.map(piece, starts, stops))
