"""The one that appends to the log, for all who ask at once: what came together is written together.

While a batch is on its way to the disk, in a thread, the next one gathers. A batch is

    what operators' commands have put into the outbox, and behind it what was asked for

so a permission that was withdrawn stands before every request that came after. Without requests the outbox is looked at
four times a second.

If it is not known how an append ended, those who wait are told so, and the log is opened again, which finds out. They
may ask again: what is in the log is not appended twice (`places`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from coordinator.transparency_log import outbox, places
from coordinator.transparency_log.batch import Asked, Batch, Placed
from coordinator.transparency_log.log import TransparencyLog
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.places import Place
from coordinator.transparency_log.tail import LogTail, Shown
from crypto.transparency.tiles import TreeReader
from models.hosting.clock import Clock, SystemClock
from models.hosting.storage.database import Database
from models.wire.log_entry import PUBLIC
from models.wire.log_view import MAXIMUM_ENTRIES, LogExtension

DRAIN_SECONDS: Final = 0.25
"""How long what a command has put into the outbox waits at most."""

FORGET_SECONDS: Final = 3600
"""Between two times that places of old requests are forgotten."""

MAXIMUM_BATCH: Final = 4096
MAXIMUM_SHOWN_BYTES: Final = 3 << 20
"""Of entries and documents in one extension."""

_READERS: Final = 16
_log = logging.getLogger("yurong.log")


@dataclass(frozen=True, slots=True)
class State:
    """The log as it is: its size, and its checkpoint signed by it alone."""

    size: int
    note: bytes


class Sequencer:
    """Appends to a log and shows it. An asynchronous context manager, used within one event loop.

    `open_log`: opens the log, by the key that signs at present; `signs_as`: another value after a change of that key.
    `held`: nothing is appended before `release`. Entering raises `LogMissing` and `LogDamaged`.
    """

    def __init__(
        self,
        open_log: Callable[[], TransparencyLog],
        database: Database,
        *,
        clock: Clock | None = None,
        signs_as: Callable[[], Hashable] = lambda: None,
        drain_seconds: float = DRAIN_SECONDS,
        held: bool = False,
    ) -> None:
        self._open_log, self._database = open_log, database
        self._clock: Clock = clock or SystemClock()
        self._signs_as, self._signed_as = signs_as, signs_as()
        self._drain_seconds = drain_seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log")
        self._waiting: list[Asked] = []
        self._wake = asyncio.Event()
        self._released = asyncio.Event()
        if not held:
            self._released.set()
        self._ending = False
        self._said: type[Exception] | None = None
        self._forgot_at = 0
        self._writer: asyncio.Task[None] | None = None
        self._readers: OrderedDict[int, TreeReader] = OrderedDict()

    async def __aenter__(self) -> Self:
        try:
            await self._in_the_thread(self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        self._writer = asyncio.create_task(self._write_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Append what was asked for, unless it is held, and close the log."""
        self._ending = True
        self._wake.set()
        if self._writer is not None:
            if not self._released.is_set():
                self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._in_the_thread(self._opened.close)
        self._thread.shutdown()

    @property
    def state(self) -> State:
        """The log as it is."""
        return self._state

    def release(self) -> None:
        """Append from now on."""
        self._released.set()

    async def append(self, entries: Sequence[Logged]) -> Placed:
        """Append entries, one at least; those of a kind in `places.ONCE` that the log has already are found instead.

        Raises what the log or the database raises; the same may be asked again.
        """
        placed: asyncio.Future[Placed] = asyncio.get_running_loop().create_future()
        self._waiting.append(Asked(tuple(entries), placed))
        self._wake.set()
        return await placed

    async def place_of_request(self, digest: bytes) -> Place | None:
        """Where the request of this digest (32 bytes) is in the log, if it is known still."""

        def find() -> Place | None:
            with self._database.reading() as connection:
                return places.find_request(connection, digest)

        return await asyncio.to_thread(find)

    def append_later(self, entries: Sequence[Logged]) -> None:
        """Append entries with the next batch, at the latest a moment later. Nobody is told where they are."""
        self._waiting.append(Asked(tuple(entries)))

    def extension(self, start: int, size: int, note: bytes) -> LogExtension:
        """What the log of `size` entries, with this checkpoint, has from `start` on.

        If that is too much for one message it is the beginning of it, with a checkpoint of its own.
        """
        start, end = min(start, size), min(size, start + MAXIMUM_ENTRIES)
        shown = _as_many_as_fit(self._shown(start, end))
        if start + len(shown) < size:
            note = self._opened.checkpoint(start + len(shown)).encode()
        return LogExtension(
            start=start,
            entries=tuple(entry for entry, _ in shown),
            documents=tuple(document for _, document in shown if document is not None),
            checkpoint=note,
        )

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The path of an entry to the root of the log's first `size` entries."""
        return self._reader(size).inclusion(index)

    def consistency(self, old_size: int, size: int) -> tuple[bytes, ...]:
        """That the log of `old_size` entries is the beginning of that of `size`."""
        return self._reader(size).consistency(old_size)

    def _reader(self, size: int) -> TreeReader:
        """One reader a size: all who were written together have their paths in it."""
        if size not in self._readers:
            self._readers[size] = self._opened.reader(size)
            if len(self._readers) > _READERS:
                self._readers.popitem(last=False)
        return self._readers[size]

    def _shown(self, start: int, end: int) -> list[Shown]:
        at_hand = self._tail.between(start, end)
        if at_hand is not None or start >= end:
            return at_hand or []
        entries = self._opened.entries(start, end)
        with self._database.reading() as connection:
            documents = places.documents(connection, PUBLIC, start=start, end=end)
        return [(entry, documents.get(index)) for index, entry in enumerate(entries, start)]

    async def _write_on(self) -> None:
        await self._released.wait()
        while not self._ending:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._drain_seconds):
                    await self._wake.wait()
            self._wake.clear()
            await self._write_gathered()
        while self._waiting:
            await self._write_gathered()

    async def _write_gathered(self) -> None:
        gathered, self._waiting = self._waiting[:MAXIMUM_BATCH], self._waiting[MAXIMUM_BATCH:]
        if self._waiting:
            self._wake.set()
        batch = Batch(gathered, int(self._clock.now()))
        try:
            await self._in_the_thread(self._write, batch)
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait are told and the next are served
            self._is_open = False
            self._say(error)
            for asked in gathered:
                asked.fail(error)
            return
        self._said = None
        for asked in gathered:
            asked.tell(batch)

    def _say(self, error: Exception) -> None:
        """Say what is wrong, once as long as it stays the same."""
        if type(error) is not self._said:
            self._said = type(error)
            _log.error("the log cannot be appended to", extra={"error": error})

    def _write(self, batch: Batch) -> None:
        signs_as = self._signs_as()
        if not self._is_open or signs_as != self._signed_as:
            self._open()
            self._signed_as = signs_as
        self._forget()
        if batch.is_empty():
            with self._database.reading() as connection:
                if outbox.is_empty(connection):
                    return
        note = self._opened.append_batch(batch)
        self._tail.extend(batch.shown())
        self._state = State(self._opened.size, note.encode())

    def _forget(self) -> None:
        now = int(self._clock.now())
        if now >= self._forgot_at + FORGET_SECONDS:
            with self._database.begin() as connection:
                places.forget_before(connection, now)
            self._forgot_at = now

    def _open(self) -> None:
        self._opened = self._open_log()
        self._is_open = True
        self._tail = LogTail(self._opened.size)
        self._state = State(self._opened.size, self._opened.note.encode())

    async def _in_the_thread(self, work: Callable[..., object], *arguments: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _as_many_as_fit(shown: list[Shown]) -> list[Shown]:
    """As many entries from the first on as one message has room for, with their documents."""
    total = 0
    for count, (entry, document) in enumerate(shown):
        total += len(entry) + len(document or b"")
        if total > MAXIMUM_SHOWN_BYTES:
            return shown[:count]
    return shown
