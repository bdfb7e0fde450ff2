"""A copy of the log for everybody, as files that any web server can show: C2SP tlog-tiles, and documents beside them.

    checkpoint          the newest state that a majority of departments has cosigned
    tile/...            the tree and its entries up to there
    documents.jsonl     {"index": place of an entry, "document": hexadecimal}

No document that names an enterprise is among them: those never come to the bureau. Tiles that are complete are written
once; `checkpoint` comes last, so whoever reads meanwhile finds what an earlier one needs. The log may be served.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from coordinator.errors import LogNotWitnessed
from coordinator.transparency_log import places
from coordinator.transparency_log.entry_bundles import decode_entries, encode_entries
from coordinator.transparency_log.tile_files import TileFiles
from coordinator.transparency_log.witnesses import CHECKPOINT_FILE
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.note import Note
from crypto.transparency.tiles import TILE_HEIGHT, TILE_WIDTH, TileAt, index_path, width_suffix
from models.hosting.storage.database import Database
from models.wire.log_entry import PUBLIC, EntryKind

DOCUMENTS_FILE: Final = "documents.jsonl"
PUBLISHED: Final = PUBLIC | {EntryKind.REQUEST}
"""The kinds whose documents are published: a request's says which bank asked by which model, and of no enterprise."""

_AT_ONCE: Final = 10_000


def publish(source: Path, database: Database, target: Path) -> Checkpoint:
    """Write or renew the copy in `target` of the log in `source`; raises `LogNotWitnessed` if no state is cosigned."""
    try:
        note = (source / CHECKPOINT_FILE).read_bytes()
    except FileNotFoundError:
        raise LogNotWitnessed(
            "no state of the log was cosigned by a majority of the departments yet",
            advice="Serve the bureau while the departments are up: they are asked every second.",
        ) from None
    checkpoint = Checkpoint.decode(Note.decode(note).text)
    files = TileFiles(source)
    for at in _tiles(checkpoint.size):
        _write_once(target / at.path, files, at)
    for at in _edge(0, checkpoint.size):
        _write_entries(target, files, at)
    _write(target / DOCUMENTS_FILE, "".join(_documents(database, checkpoint.size)).encode())
    _write(target / CHECKPOINT_FILE, note)
    _remove_earlier_edges(target, checkpoint.size)
    return checkpoint


def _tiles(size: int) -> Iterator[TileAt]:
    """All tiles of a tree of this size."""
    level = 0
    while size >> TILE_HEIGHT * level:
        yield from _edge(level, size)
        level += 1


def _edge(level: int, size: int) -> Iterator[TileAt]:
    """The tiles of a level: complete ones, and the one that is not."""
    here = size >> TILE_HEIGHT * level
    for index in range(here // TILE_WIDTH):
        yield TileAt(level, index)
    if here % TILE_WIDTH:
        yield TileAt(level, here // TILE_WIDTH, here % TILE_WIDTH)


def _write_once(path: Path, files: TileFiles, at: TileAt) -> None:
    if not path.is_file():
        _write(path, files.tile(at))


def _write_entries(target: Path, files: TileFiles, at: TileAt) -> None:
    path = target / f"tile/entries/{index_path(at.index)}{width_suffix(at.width)}"
    if not path.is_file():
        _write(path, encode_entries(decode_entries(files.entries(at.index, at.width))[: at.width]))


def _documents(database: Database, size: int) -> Iterator[str]:
    for start in range(0, size, _AT_ONCE):
        with database.reading() as connection:
            found = places.documents(connection, PUBLISHED, start=start, end=min(size, start + _AT_ONCE))
        for index, document in found.items():
            yield json.dumps({"index": index, "document": document.hex()}) + "\n"


def _write(path: Path, data: bytes) -> None:
    """Write a file that everybody may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".draft-{path.name}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _remove_earlier_edges(target: Path, size: int) -> None:
    """Remove tiles that are not complete and of an earlier state: what has replaced them begins with them."""
    kept = {target / at.path for at in _tiles(size)}
    kept |= {target / f"tile/entries/{index_path(at.index)}{width_suffix(at.width)}" for at in _edge(0, size)}
    for directory in (target / "tile").rglob("*.p"):
        for path in directory.iterdir():
            if path not in kept:
                path.unlink()
        if not any(directory.iterdir()):
            shutil.rmtree(directory)
