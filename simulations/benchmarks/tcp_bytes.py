"""Bytes of a process's connections as the kernel counts them, TLS among them: `ss` of iproute2, where it is."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Final

_BYTES: Final = re.compile(r"\bbytes_(?:sent|received):(\d+)")


def bytes_of_connections(pid: int) -> dict[str, int] | None:
    """Bytes sent and received over each open TCP connection of a process, by its addresses; None without `ss`."""
    ss = shutil.which("ss")
    if ss is None:
        return None
    listed = subprocess.run(  # noqa: S603 - a fixed command
        [ss, "-tinpOH", "state", "established"], check=False, capture_output=True, text=True
    )
    if listed.returncode:
        return None
    lines = (line for line in listed.stdout.splitlines() if f"pid={pid}," in line)
    return {" ".join(line.split()[2:4]): sum(map(int, _BYTES.findall(line))) for line in lines}


def grown(before: dict[str, int] | None, after: dict[str, int] | None) -> int | None:
    """Bytes over the connections that are open after, since before."""
    if before is None or after is None:
        return None
    return sum(count - before.get(name, 0) for name, count in after.items())
