"""Files that their owner alone may read, written whole or not at all, and read again only when they are others."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Generic, TypeVar

from crypto.errors import ProtectionUnavailable

Content = TypeVar("Content")

DRAFT_PREFIX: Final = ".draft-"
"""What an interrupted write leaves has a name that begins with this; nothing ever reads it."""


def private_file(path: Path, data: bytes) -> None:
    """Write a file that its owner alone may read, whole or not at all; it is on the disk when this returns."""
    draft = path.with_name(f"{DRAFT_PREFIX}{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def private_directory(path: Path) -> None:
    """Make a directory that its owner alone may enter, unless it is there; either way it is private afterwards."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def home_directory(path: Path) -> None:
    """Make the directory of a home, or take one that is there: private already, or empty and this user's.

    Raises `ProtectionUnavailable` for another: what is in it is for others to read, and not ours to shut.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700, parents=True)
    if not path.is_dir() or path.stat().st_uid != os.geteuid():
        raise ProtectionUnavailable(f"{path} is no directory of this user", advice="name another one with --home")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        if any(path.iterdir()):
            raise ProtectionUnavailable(
                f"{path} has files in it and may be entered by others",
                advice="name a directory of its own with --home, or make this one private: chmod 700",
            )
        path.chmod(0o700)


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_drafts(directory: Path) -> None:
    """Remove what interrupted writes left in a directory. The caller holds the lock of its writers."""
    for path in directory.glob(f"{DRAFT_PREFIX}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock in the file `path`: one process and one thread at a time. A killed process lets it go."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Watched(Generic[Content]):
    """What a file holds, read again when it is another file. It is always replaced whole, never written into."""

    def __init__(self, path: Path, read: Callable[[bytes], Content]) -> None:
        self.path = path
        self._read = read
        self._seen: tuple[tuple[int, int, int], Content] | None = None

    def get(self) -> Content:
        """Return what the file holds now. Raises `FileNotFoundError`, and what the reader raises."""
        status = self.path.stat()
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        seen = self._seen
        if seen is None or seen[0] != stamp:
            # A file that is replaced in between is kept under the stamp of the one before, so it is read once more.
            seen = (stamp, self._read(self.path.read_bytes()))
            self._seen = seen
        return seen[1]
