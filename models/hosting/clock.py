"""The time of day, as a parameter."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time of day comes from."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""
        return time.time()
