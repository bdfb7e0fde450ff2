"""The last entries of the log, in memory: what departments are shown with nearly every request.

Each has its document if its kind is public. What is older is read from the tiles and the database.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

KEPT: Final = 4096

Shown = tuple[bytes, bytes | None]
"""An entry, and its document if departments are shown it."""


class LogTail:
    """The last entries, at most `KEPT` and some more. Threads take turns."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._shown: list[Shown] = []
        self._turn = threading.Lock()

    def extend(self, shown: Iterable[Shown]) -> None:
        """Take in what was appended."""
        with self._turn:
            self._shown += shown
            if len(self._shown) >= 2 * KEPT:
                too_many = len(self._shown) - KEPT
                self._shown, self._start = self._shown[too_many:], self._start + too_many

    def between(self, start: int, end: int) -> list[Shown] | None:
        """The entries from `start` to before `end`, unless some of them are not here."""
        with self._turn:
            if start < self._start or end > self._start + len(self._shown):
                return None
            return self._shown[start - self._start : end - self._start]
