"""A pool of Paillier obfuscators, filled in the background so that an encryption costs microseconds.

A factor r^n mod n^2 takes about 30 ms under a 3072-bit key; multiplying it in takes 0.01 ms. gmpy2 computes lists
of powers without the interpreter's lock, so one thread fills the pool while others answer.

An obfuscator is good for one encryption. A process that forks would have every one of them twice, so the
pool refuses to serve any process but the one that made it. Against a snapshot of a running machine that is
started twice nothing here helps: start such a copy with new pools.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Self

from crypto.errors import ProtectionUnavailable, ProtocolStateError
from crypto.paillier import BankPaillierKey, Obfuscator, PaillierPublicKey
from crypto.secret import Secret

DEFAULT_CAPACITY: Final = 64
_BATCH: Final = 4


class ObfuscatorPool(Secret):
    """At most `capacity` obfuscators of one key, held by one process.

    Give it the public key, or a bank's own key to fill four times as fast. It is filled again when fewer than
    `refill_below` are left: at once unless told otherwise. It is a context manager; once stopped it forgets what it
    holds and gives no more.
    """

    __slots__ = (
        "_capacity",
        "_changed",
        "_error",
        "_factors",
        "_make",
        "_process",
        "_refill_below",
        "_stopped",
        "_thread",
        "key",
    )

    key: PaillierPublicKey

    def __init__(
        self,
        key: PaillierPublicKey | BankPaillierKey,
        *,
        capacity: int = DEFAULT_CAPACITY,
        refill_below: int | None = None,
    ) -> None:
        self._refill_below = capacity if refill_below is None else refill_below
        if not 1 <= self._refill_below <= capacity:
            raise ProtocolStateError("a pool of obfuscators has room for one at least, and is refilled within its room")
        self.key = key.public if isinstance(key, BankPaillierKey) else key
        self._make: Callable[[int], list[int]] = key.fresh_factors
        self._capacity = capacity
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
            factor = self._factors.popleft()
            if len(self._factors) < self._refill_below:
                self._changed.notify_all()  # to wake the filling thread for nothing costs its taker 0.4 ms
        return Obfuscator(self.key, factor)

    def wait_until_full(self, *, timeout_seconds: float = 60.0) -> None:
        """Return when the pool is full; `ProtectionUnavailable` if it is not by then, or will never be."""
        self._check_process()
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._factors) >= self._capacity or self._stopped or self._error, timeout_seconds
            )
            full = len(self._factors) >= self._capacity
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
            while self._await_need():
                # Only this thread adds, so the room that is there stays.
                while (room := self._capacity - len(self._factors)) and not self._stopped:
                    made = self._make(min(_BATCH, room))
                    with self._changed:
                        if not self._stopped:
                            self._factors.extend(made)
                        self._changed.notify_all()
        except Exception as error:  # noqa: BLE001 (handed to whoever takes next)
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _await_need(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._factors) < self._refill_below)
            return not self._stopped

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise ProtocolStateError(
                "a pool of obfuscators was taken along into another process",
                advice="Make a new pool after the fork; a second use of these would show differences of plaintexts.",
            )
