"""A pool of Paillier obfuscators, filled in the background so that an encryption costs microseconds.

A factor r^n mod n^2 takes about 30 ms under a 3072-bit key, 4 ms from a table (`crypto.residues`), and 7 ms with a
bank's own primes; multiplying it in takes 0.01 ms. One thread fills the pool while others answer.

An obfuscator is good for one encryption. A process that forks would have every one of them twice, so the
pool refuses to serve any process but the one that made it. Against a snapshot of a running machine that is
started twice nothing here helps: start such a copy with new pools.
"""

import os
import threading
import time
from collections import deque
from typing import Final, Self

from crypto.errors import ProtectionUnavailable, ProtocolStateError
from crypto.paillier import BankPaillierKey, Obfuscator, PaillierPublicKey
from crypto.residues import ResidueTable
from crypto.secret import Secret

DEFAULT_CAPACITY: Final = 64
_BATCH: Final = 4


class ObfuscatorPool(Secret):
    """At most `capacity` obfuscators of one key, held by one process.

    Give it the public key, or a bank's own. It is filled again when fewer than `refill_below` are left, at once unless
    told otherwise; and, if `idle_seconds` is given, when nobody has taken any for so long, so that it fills while
    there is nothing else to do. It is a context manager; once stopped it forgets what it holds and gives no more.
    """

    __slots__ = (
        "_changed",
        "_error",
        "_factors",
        "_filling",
        "_idle_seconds",
        "_key",
        "_process",
        "_refill_below",
        "_stopped",
        "_taken_at",
        "_thread",
        "capacity",
        "key",
    )

    key: PaillierPublicKey
    capacity: int

    def __init__(
        self,
        key: PaillierPublicKey | BankPaillierKey,
        *,
        capacity: int = DEFAULT_CAPACITY,
        refill_below: int | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        self._refill_below = capacity if refill_below is None else refill_below
        if not 1 <= self._refill_below <= capacity:
            raise ProtocolStateError("a pool of obfuscators has room for one at least, and is refilled within its room")
        self.key = key.public if isinstance(key, BankPaillierKey) else key
        self._key = key
        self.capacity = capacity
        self._idle_seconds = idle_seconds
        self._taken_at = time.monotonic()
        self._filling = False
        self._factors: deque[int] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._error: Exception | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._fill, name="obfuscators", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __len__(self) -> int:
        return len(self._factors)

    def take(self, *, timeout_seconds: float = 30.0) -> Obfuscator:
        """Return an obfuscator that nobody else has; wait for one if the pool is empty.

        `ProtocolStateError` in a forked process or after `stop`; `ProtectionUnavailable` if none comes in time.
        """
        self._check_process()
        with self._changed:
            self._changed.wait_for(lambda: self._factors or self._stopped or self._error, timeout_seconds)
            if self._stopped:
                raise ProtocolStateError("a pool of obfuscators was stopped")
            if not self._factors:
                raise ProtectionUnavailable(
                    "no obfuscator is ready", advice="Raise the pool's capacity or ask more slowly."
                ) from self._error
            was_full = len(self._factors) == self.capacity
            factor = self._factors.popleft()
            self._taken_at = time.monotonic()
            if len(self._factors) < self._refill_below or was_full:
                self._changed.notify_all()  # to wake the filling thread for nothing costs its taker 0.4 ms
        return Obfuscator(self.key, factor)

    def wait_until_full(self, *, timeout_seconds: float = 60.0) -> None:
        """Return when the pool is full; `ProtectionUnavailable` if it is not by then, or will never be."""
        self._check_process()
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._factors) >= self.capacity or self._stopped or self._error, timeout_seconds
            )
            full = len(self._factors) >= self.capacity
        if not full:
            raise ProtectionUnavailable("a pool of obfuscators does not fill") from self._error

    def stop(self) -> None:
        """Stop filling, forget what is left. To stop twice is no fault."""
        with self._changed:
            self._stopped = True
            self._factors.clear()
            self._changed.notify_all()
        if self._process == os.getpid():
            self._thread.join()

    def _fill(self) -> None:
        try:
            source = self._key if isinstance(self._key, BankPaillierKey) else ResidueTable(self._key)
            while (wanted := self._await_need()) > 0:
                made = source.fresh_factors(min(_BATCH, wanted))
                with self._changed:
                    if not self._stopped:
                        self._factors.extend(made)
                    self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 (handed to whoever takes next)
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _await_need(self) -> int:
        """Wait until there is something to do; return how many are to be made, 0 when the pool was stopped."""
        with self._changed:
            while not self._stopped:
                room = self.capacity - len(self._factors)
                # A pool that does not wait for idle moments fills up once it has begun to.
                self._filling = room > 0 and (room > self.capacity - self._refill_below or self._goes_on())
                if self._filling:
                    return room
                self._changed.wait(self._seconds_to_idle() if room else None)
            return 0

    def _goes_on(self) -> bool:
        return self._filling if self._idle_seconds is None else self._seconds_to_idle() == 0

    def _seconds_to_idle(self) -> float | None:
        if self._idle_seconds is None:
            return None
        return max(0.0, self._taken_at + self._idle_seconds - time.monotonic())

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise ProtocolStateError(
                "a pool of obfuscators was taken along into another process",
                advice="Make a new pool after the fork; a second use of these would show differences of plaintexts.",
            )
