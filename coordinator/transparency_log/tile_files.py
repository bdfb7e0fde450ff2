"""A log's tree and entries as files below one directory: C2SP tlog-tiles.

    tile/0/x001/234             256 digests of leaves
    tile/0/x001/235.p/17        the tile at the edge while it has 17
    tile/entries/x001/234       the entries of 256 leaves
    settled                     so many leaves are on the disk for good

What is behind `settled` may be lost when the machine stops: `log.py` has it elsewhere, and writes it again. A tile that
is not complete is kept until the first `settle` after a wider one was written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from coordinator.errors import LogDamaged
from crypto.merkle import DIGEST_BYTES
from crypto.transparency.checkpoint import number_of
from crypto.transparency.frontier import MAXIMUM_SIZE
from crypto.transparency.tiles import TILE_WIDTH, TileAt, index_path, width_suffix
from models.hosting.storage.files import private_directory, private_file, sync_directory

_SETTLED: Final = "settled"
_LOOKS: Final = 3
"""What was found may be replaced before it is read."""


class TileFiles:
    """The files in `directory`, which is made if absent. It is a `TileSource`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        private_directory(directory)
        self._unsettled: dict[Path, None] = {}

    @property
    def settled(self) -> int:
        """How many leaves are on the disk for good."""
        try:
            return number_of((self._directory / _SETTLED).read_text("ascii"), most=MAXIMUM_SIZE)
        except FileNotFoundError:
            return 0

    def tile(self, at: TileAt) -> bytes:
        """The digests of a tile; raises `LogDamaged` if it is not there. A wider one begins with it."""
        return self._beginning(at.path, at.width)[: DIGEST_BYTES * at.width]

    def entries(self, index: int, width: int) -> bytes:
        """The entries (`entry_bundles`) of the leaves of a tile, at least as many as it is wide."""
        return self._beginning(_bundle_path(index, width), width)

    def write(self, tiles: Mapping[TileAt, bytes], bundles: Mapping[tuple[int, int], bytes]) -> None:
        """Write tiles, and bundles of entries by index and width. They are on the disk after `settle`."""
        for at, digests in tiles.items():
            self._write(at.path, digests)
        for (index, width), entries in bundles.items():
            self._write(_bundle_path(index, width), entries)

    def settle(self, size: int) -> None:
        """Have all that was written on the disk, note it, and remove what complete or wider tiles have replaced."""
        for path in self._unsettled:
            _sync_file(path)
        for parent in _parents(self._unsettled, self._directory):
            sync_directory(parent)
        private_file(self._directory / _SETTLED, str(size).encode())
        for directory in {path.parent for path in self._unsettled if path.parent.suffix == ".p"}:
            _remove_replaced(directory)
        self._unsettled.clear()

    def _write(self, relative: str, data: bytes) -> None:
        path = self._directory / relative
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".draft-{path.name}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        draft.replace(path)
        self._unsettled[path] = None

    def _beginning(self, relative: str, width: int) -> bytes:
        """The file, or one that begins with it: what replaces a file is there before that is removed."""
        path = self._directory / relative
        for _ in range(_LOOKS):
            with suppress(FileNotFoundError):
                return path.read_bytes()
            if width < TILE_WIDTH:
                widths = sorted((int(one.name) for one in path.parent.glob("[0-9]*")), reverse=True)
                wider = [path.with_name(str(number)) for number in widths if number > width]
                for one in (self._directory / relative.rpartition(".p/")[0], *wider):
                    with suppress(FileNotFoundError, IsADirectoryError):
                        return one.read_bytes()
        raise LogDamaged(f"{path} is missing", advice="Restore the log's directory from the backup.")


def _bundle_path(index: int, width: int) -> str:
    return f"tile/entries/{index_path(index)}{width_suffix(width)}"


def _parents(paths: Mapping[Path, None], top: Path) -> list[Path]:
    """The directories of these files, the deepest first."""
    found = {parent for path in paths for parent in path.parents if parent.is_relative_to(top)}
    return sorted(found, key=lambda one: -len(one.parts))


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_replaced(partial: Path) -> None:
    """Remove the tiles in a directory of those that are not complete, but for the widest if nothing is wider."""
    widths = sorted((one for one in partial.glob("[0-9]*")), key=lambda one: int(one.name))
    is_complete = partial.with_suffix("").is_file()
    for one in widths if is_complete else widths[:-1]:
        one.unlink()
    if is_complete:
        partial.rmdir()
