"""The mask contexts that a participant has used, on disk: one that was claimed stays claimed after a restart."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from crypto.errors import MaskContextReused, ProtectionUnavailable

DIGEST_BYTES = 32


class FileLedger:
    """A `crypto.masks.ContextLedger` of 32-byte records in a file that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        data = path.read_bytes() if path.is_file() else b""
        # A record that was cut off by a crash was never used: the keystream is made after the record is on disk.
        whole = len(data) - len(data) % DIGEST_BYTES
        if whole != len(data):
            os.truncate(path, whole)
        self._claimed = {data[i : i + DIGEST_BYTES] for i in range(0, whole, DIGEST_BYTES)}

    def claim(self, digest: bytes) -> None:
        """Record a context; raises `MaskContextReused` if it was recorded before."""
        if len(digest) != DIGEST_BYTES:
            raise ProtectionUnavailable("a mask context without a digest cannot be recorded")
        with self._lock:
            if digest in self._claimed:
                raise MaskContextReused(
                    "a mask context was used before", advice="the bureau starts a new attempt of the round instead"
                )
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, digest)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            self._claimed.add(digest)
