"""Obfuscators of every bank's key, so that an answer is encrypted in microseconds.

One pool a key, filled in the background and kept nowhere else. A bank has two keys while it exchanges them; pools of
keys that are not in force any more are stopped. An empty pool slows down who asks under its key, and nobody else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from crypto.errors import ProtectionUnavailable, ProtocolStateError
from crypto.identifiers import ParticipantId
from crypto.obfuscators import ObfuscatorPool
from crypto.paillier import Obfuscator, PaillierPublicKey
from participants.department.errors import ObfuscatorsExhausted


class ObfuscatorSource(Protocol):
    """Gives obfuscators of one key, each once."""

    def __len__(self) -> int:
        """How many are ready."""
        ...

    def take(self, *, timeout_seconds: float) -> Obfuscator:
        """An obfuscator that nobody else has; `ProtectionUnavailable` if none is ready within this time.

        Its cause is why the pool cannot be filled, if that is so. `ProtocolStateError` if it was stopped.
        """
        ...

    def stop(self) -> None:
        """Give no more."""
        ...


NewPool = Callable[[PaillierPublicKey], ObfuscatorSource]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The size of each pool, see `crypto.obfuscators.ObfuscatorPool`. Called with a key it makes its pool."""

    capacity: int = 512
    refill_below: int = 32
    idle_seconds: float | None = 1.0

    def __call__(self, key: PaillierPublicKey) -> ObfuscatorPool:
        """A pool of this size for `key`."""
        return ObfuscatorPool(
            key, capacity=self.capacity, refill_below=self.refill_below, idle_seconds=self.idle_seconds
        )


class Obfuscators:
    """The pools of all banks' keys. Any number of threads may use it."""

    def __init__(self, new_pool: NewPool) -> None:
        self._new_pool = new_pool
        self._pools: dict[PaillierPublicKey, ObfuscatorSource] = {}
        self._banks: dict[PaillierPublicKey, ParticipantId] = {}
        self._filled: set[PaillierPublicKey] = set()
        self._lock = threading.Lock()

    def take(self, bank: ParticipantId, key: PaillierPublicKey, *, timeout_seconds: float) -> Obfuscator:
        """An obfuscator that nobody else has; raises `ObfuscatorsExhausted` if none is ready within this time."""
        pool, seconds = self._pool(bank, key), max(0.0, timeout_seconds)
        try:
            try:
                return pool.take(timeout_seconds=seconds)
            except ProtocolStateError:  # `keep` stopped it since we have it
                return self._instead_of(pool, bank, key).take(timeout_seconds=seconds)
        except ProtectionUnavailable as fault:
            if fault.__cause__ is not None:
                self._not_filled(key)
            raise ObfuscatorsExhausted from fault.__cause__

    def keep(self, keys: Mapping[ParticipantId, Iterable[PaillierPublicKey]]) -> None:
        """Have a pool for each of these keys, and for no others."""
        wanted = {key: bank for bank, some in keys.items() for key in some}
        for key, bank in wanted.items():
            self._pool(bank, key)
        with self._lock:
            gone = [self._pools.pop(key) for key in set(self._pools) - wanted.keys()]
            self._banks = {key: bank for key, bank in self._banks.items() if key in self._pools}
            self._filled &= self._pools.keys()
        for pool in gone:
            pool.stop()

    def ready(self, keys: Iterable[PaillierPublicKey]) -> bool:
        """Whether there is a pool for each of these keys that has given or could give an obfuscator.

        A pool that is empty because so much is asked counts as ready: its requests wait, and others go on. One that is
        empty because it cannot be filled does not, from the first request that found it so until it has some again.
        """
        with self._lock:
            self._filled |= {key for key, pool in self._pools.items() if len(pool)}
            return self._filled.issuperset(keys)

    def levels(self) -> dict[ParticipantId, int]:
        """How many obfuscators are ready for each bank, over all of its keys."""
        levels: dict[ParticipantId, int] = {}
        with self._lock:
            for key, pool in self._pools.items():
                levels[self._banks[key]] = levels.get(self._banks[key], 0) + len(pool)
        return levels

    def stop(self) -> None:
        """Stop all pools."""
        self.keep({})

    def _instead_of(self, pool: ObfuscatorSource, bank: ParticipantId, key: PaillierPublicKey) -> ObfuscatorSource:
        with self._lock:
            if self._pools.get(key) is pool:
                del self._pools[key]
        return self._pool(bank, key)

    def _not_filled(self, key: PaillierPublicKey) -> None:
        with self._lock:
            self._filled.discard(key)

    def _pool(self, bank: ParticipantId, key: PaillierPublicKey) -> ObfuscatorSource:
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._new_pool(key)
                self._banks[key] = bank
            return self._pools[key]
