"""The worker processes for lattice arithmetic, one set a process whoever asks.

TenSEAL holds the interpreter's lock, so its work runs in processes of its own; a ciphertext that kills one takes
nothing else along (`crypto/lattice/workers.py`).
"""

from __future__ import annotations

import atexit
import os
import threading

from crypto.lattice.workers import LatticeWorkers

_lock = threading.Lock()
_workers: LatticeWorkers | None = None


def shared_workers() -> LatticeWorkers:
    """This process's lattice workers: one a core, or as many as `YURONG_WORKERS` says; started at first use."""
    global _workers  # noqa: PLW0603 - processes are a resource of the whole interpreter
    with _lock:
        if _workers is None:
            _workers = LatticeWorkers(int(os.environ.get("YURONG_WORKERS", "0")) or os.cpu_count() or 1)
            atexit.register(_workers.close)
        return _workers
