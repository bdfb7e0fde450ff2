"""The mask contexts that a participant has used, on disk: one that was claimed stays claimed after a restart."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crypto.errors import MaskContextReused, ProtectionUnavailable

DIGEST_BYTES = 32
_READ_BYTES = DIGEST_BYTES << 15


class FileLedger:
    """A `crypto.masks.ContextLedger` of 32-byte records in a file that only grows.

    Several processes may use one file at once: each claims under the file's lock, and reads first what others added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()
        self._read = 0
        if path.is_file():
            with self._locked() as descriptor:
                self._read_on(descriptor)

    def claim(self, digest: bytes) -> None:
        """Record a context; raises `MaskContextReused` if it was recorded before."""
        if len(digest) != DIGEST_BYTES:
            raise ProtectionUnavailable("a mask context without a digest cannot be recorded")
        with self._lock, self._locked() as descriptor:
            self._read_on(descriptor)
            if digest in self._claimed:
                raise MaskContextReused(
                    "a mask context was used before", advice="the bureau starts a new attempt of the round instead"
                )
            if os.write(descriptor, digest) != DIGEST_BYTES:
                os.ftruncate(descriptor, self._read)
                raise ProtectionUnavailable("the ledger of mask contexts cannot be written", advice="free some disk")
            os.fdatasync(descriptor)
            self._claimed.add(digest)
            self._read += DIGEST_BYTES

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, which no other process reads or writes meanwhile."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _read_on(self, descriptor: int) -> None:
        """Take in the records that were added since."""
        size = os.fstat(descriptor).st_size
        # A record that was cut off by a crash was never used: the keystream is made after the record is on disk.
        if size % DIGEST_BYTES:
            size -= size % DIGEST_BYTES
            os.ftruncate(descriptor, size)
        if size < self._read:
            raise ProtectionUnavailable(
                "the ledger of mask contexts became shorter", advice="give this participant new keys"
            )
        while self._read < size:
            data = os.pread(descriptor, min(size - self._read, _READ_BYTES), self._read)
            self._claimed.update(data[start : start + DIGEST_BYTES] for start in range(0, len(data), DIGEST_BYTES))
            self._read += len(data)
