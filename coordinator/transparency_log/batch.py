"""What is appended to the log at once: what operators' commands have put into the outbox, then what was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from coordinator.transparency_log import outbox, places
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.places import ONCE, Place
from coordinator.transparency_log.tail import Shown
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.note import Note
from models.wire.log_entry import PUBLIC, LogEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where entries are, and a checkpoint (a note signed by the log) of `size` entries that has all of them."""

    indices: tuple[int, ...]
    size: int
    note: bytes

    @property
    def index(self) -> int:
        """Where the first of them is."""
        return self.indices[0]


@dataclass(frozen=True, slots=True)
class Asked:
    """Entries that are to be appended, and who waits for it, if anybody does."""

    entries: tuple[Logged, ...]
    placed: asyncio.Future[Placed] | None = None

    def tell(self, batch: Batch) -> None:
        """Say where they are."""
        if self.placed is not None and not self.placed.done():
            self.placed.set_result(batch.place_of(self.entries))

    def fail(self, error: Exception) -> None:
        """Say that it is not known whether they are in the log."""
        if self.placed is not None and not self.placed.done():
            self.placed.set_exception(error)


class Batch:
    """A `coordinator.transparency_log.log.Batch` of what was asked for, behind what the outbox has."""

    def __init__(self, asked: Sequence[Asked], now: int) -> None:
        self._asked, self._now = asked, now
        self._new: list[Logged] = []
        # By the object for what is appended each time, by the entry for what is appended once.
        self._places: dict[Hashable, Place] = {}

    def is_empty(self) -> bool:
        """Whether nothing was asked for; there may be something in the outbox."""
        return not self._asked

    def entries(self, connection: Connection) -> list[bytes]:
        """The entries of this batch, those in the log already not among them."""
        wanted = outbox.take(connection)
        wanted += [one for asked in self._asked for one in asked.entries]
        seen: set[LogEntry] = set()
        for one in wanted:
            if one.entry.kind in ONCE:
                if one.entry in seen:
                    continue
                seen.add(one.entry)
                if (place := places.find(connection, one.entry)) is not None:
                    self._places[one.entry] = place
                    continue
            self._new.append(one)
        return [one.entry.encode() for one in self._new]

    def placed(self, connection: Connection, start: int, note: Note) -> None:
        """Write down where the entries are, and their documents."""
        size, encoded = Checkpoint.decode(note.text).size, note.encode()
        for index, one in enumerate(self._new, start):
            place = Place(index, size, encoded)
            if one.entry.kind in ONCE:
                places.keep(connection, one.entry, place, now=self._now)
                self._places[one.entry] = place
            else:
                self._places[id(one)] = place
            if one.document is not None:
                places.keep_document(connection, index, one.entry.kind, one.document)

    def shown(self) -> list[Shown]:
        """The entries that were appended, with the documents that departments are shown."""
        return [(one.entry.encode(), one.document if one.entry.kind in PUBLIC else None) for one in self._new]

    def place_of(self, entries: Sequence[Logged]) -> Placed:
        """Where these are: the checkpoint is the first that had all of them."""
        found = [self._places[one.entry if one.entry.kind in ONCE else id(one)] for one in entries]
        newest = max(found, key=lambda place: place.size)
        return Placed(indices=tuple(place.index for place in found), size=newest.size, note=newest.note)
