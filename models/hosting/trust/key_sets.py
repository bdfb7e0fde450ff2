"""The keys of a node by the serial of its document, and which of them are in use.

    keys/<serial>/     every key and the document of one serial; written whole, never changed
    keys/state.json    which serial is current, which is next, which are previous and until when

A set of keys begins and ends to count with one replacement of `state.json`; folders that it does not name are swept. So
a process that is killed anywhere leaves the state before or the state after. No serial is used twice, not even one that
was given up: somebody may have pinned its document.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from crypto.errors import ProtectionUnavailable
from models.hosting.storage.files import DRAFT_PREFIX, Watched, private_directory, private_file, sync_directory

STATE_FILE: Final = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """Which serials count. `previous`: serial to when its keys are forgotten (seconds since 1970, UTC)."""

    current: int
    last: int
    next: int | None
    previous: Mapping[int, int]

    @classmethod
    def first(cls) -> Self:
        """Return the state of a new home."""
        return cls(current=1, last=1, next=None, previous={})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return the state in a file; `ProtectionUnavailable` if it is damaged."""
        try:
            fields = json.loads(data)
            state = cls(
                current=int(fields["current"]),
                last=int(fields["last"]),
                next=None if fields["next"] is None else int(fields["next"]),
                previous={int(serial): int(until) for serial, until in fields["previous"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ProtectionUnavailable("the file that says which keys are in use is damaged") from None
        if not 1 <= state.current <= state.last or max(state.known) > state.last or state.current in state.previous:
            raise ProtectionUnavailable("the file that says which keys are in use contradicts itself")
        return state

    def encode(self) -> bytes:
        """Return the state as its file holds it."""
        previous = {str(serial): until for serial, until in self.previous.items()}
        fields = {"current": self.current, "last": self.last, "next": self.next, "previous": previous}
        return json.dumps(fields, sort_keys=True).encode()

    @property
    def known(self) -> frozenset[int]:
        """Every serial whose keys are kept."""
        return frozenset({self.current, *self.previous} | ({self.next} if self.next is not None else set()))

    def in_force(self, now: float) -> tuple[int, ...]:
        """Return the current serial and then those in their time of grace, newest first."""
        return (self.current, *sorted((one for one, until in self.previous.items() if until > now), reverse=True))

    def without_expired(self, now: float) -> Self:
        """Return the state without the serials whose time of grace is over."""
        return replace(self, previous={one: until for one, until in self.previous.items() if until > now})


class KeySets:
    """The folder of keys. Whoever writes holds the lock of the home."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._state = Watched(directory / STATE_FILE, KeyState.decode)

    def state(self) -> KeyState:
        """Return which keys are in use now."""
        try:
            return self._state.get()
        except FileNotFoundError:
            raise ProtectionUnavailable(
                f"{self.directory} has no keys in use", advice="restore the home from its backup, or make a new one"
            ) from None

    def folder(self, serial: int) -> Path:
        """Return where the keys of a serial are."""
        return self.directory / str(serial)

    def write(self, serial: int, files: Mapping[str, bytes]) -> None:
        """Write the files of a serial. They count from when `use` names the serial."""
        draft = self.directory / f"{DRAFT_PREFIX}{serial}"
        private_directory(draft)
        for name, data in files.items():
            private_file(draft / name, data)
        draft.rename(self.folder(serial))
        sync_directory(self.directory)

    def use(self, state: KeyState) -> None:
        """Make `state` the one that counts."""
        private_file(self.directory / STATE_FILE, state.encode())

    def sweep(self) -> None:
        """Remove the keys of serials that do not count: forgotten, given up, or never finished."""
        known = {str(serial) for serial in self.state().known}
        for path in self.directory.iterdir():
            if path.name.startswith(DRAFT_PREFIX) or (path.is_dir() and path.name not in known):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def has_unknown(self) -> bool:
        """Say whether there is something to sweep."""
        known = {str(serial) for serial in self.state().known}
        with os.scandir(self.directory) as entries:
            return any(one.name.startswith(DRAFT_PREFIX) or (one.is_dir() and one.name not in known) for one in entries)
