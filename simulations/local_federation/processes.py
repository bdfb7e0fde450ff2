"""The processes below one process, as Linux shows them: which they are, and killing them all at once."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def command_of(pid: int) -> str:
    """The command line of a process; empty if it has ended."""
    with suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def descendants(pid: int) -> list[int]:
    """The processes below `pid`, parents before their children. Those that have ended do not count."""
    children: dict[int, list[int]] = {}
    for status in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            # Behind the name, which may have blanks and brackets in it: the state, then the parent.
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(status.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[1:]


def find_below(pid: int, part: str) -> list[int]:
    """The processes below `pid` whose command line has `part` in it."""
    return [one for one in descendants(pid) if part in command_of(one)]


def kill_all(pids: list[int]) -> None:
    """Kill processes so that none of them sees another one end."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
