"""Times as operators read them."""

from __future__ import annotations

import datetime as dt


def readable_time(seconds: int | None) -> str | None:
    """A time (seconds since 1970) in UTC; one that no calendar has stays a number."""
    if seconds is None:
        return None
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} seconds since 1970"
