"""Waiting for something that other processes bring about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from simulations.errors import CommandFailed

Found = TypeVar("Found")

_POLL_SECONDS: Final = 0.1


def until(look: Callable[[], Found], what: str, *, seconds: float = 120.0) -> Found:
    """What `look` finds as soon as that is true; raises `CommandFailed` if it is not by then."""
    ends_at = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() >= ends_at:
            raise CommandFailed("yurong", 1, f"{what}: not within {seconds:g} s")
        time.sleep(_POLL_SECONDS)
    return found
