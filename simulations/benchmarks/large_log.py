"""How long an inclusion proof of a large log takes, and how much of a disk the log needs.

The tree and its entries are written as the bureau writes them, by the same code, but for the database: entries are
requests, which are the longest there are. A proof is read and computed from the tiles of a leaf drawn at random, by a
reader that has the tiles at the edge at hand, as the bureau's has; each is verified against the root. Times are of the
wall clock: medians, and 99th percentiles.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from coordinator.transparency_log.entry_bundles import encode_entries
from coordinator.transparency_log.tile_files import TileFiles
from crypto.merkle import leaf_digest, root_of_path
from crypto.transparency.frontier import Frontier
from crypto.transparency.tiles import TILE_WIDTH, TileEdge, TreeReader
from models.wire.log_entry import TAG_BYTES, EntryKind
from simulations.errors import SimulationError

PROOFS: Final = 2000
_AT_ONCE: Final = 256 * TILE_WIDTH
_BLOCK_BYTES: Final = 512  # of `st_blocks`, whatever the file system's own are
_SEED: Final = 4


def measure_large_log(directory: Path, leaves: int, *, proofs: int = PROOFS) -> dict[str, Any]:
    """Write a log of so many leaves below `directory`, read proofs from it; raises `SimulationError` if one is wrong.

    tree_bytes_on_disk: the tiles alone; bytes_on_disk: the entries as well. Both in whole blocks of the file system.
    """
    files = TileFiles(directory)
    began = time.perf_counter()
    root = _write(files, leaves)
    written = time.perf_counter() - began
    os.sync()  # or proofs wait for what is being written still
    milliseconds = sorted(_prove(files, leaves, root, proofs))
    tree = _bytes_below(directory / "tile") - _bytes_below(directory / "tile" / "entries")
    return {
        "leaves": leaves,
        "inclusion_proof_ms": statistics.median(milliseconds),
        "inclusion_proof_ms_99": milliseconds[int(len(milliseconds) * 0.99)],
        "bytes_on_disk": _bytes_below(directory),
        "tree_bytes_on_disk": tree,
        "written_in_seconds": written,
    }


def _write(files: TileFiles, leaves: int) -> bytes:
    """Write tiles and bundles; the root."""
    edge, frontier = TileEdge(), Frontier()
    for start in range(0, leaves, _AT_ONCE):
        entries = [_entry(number) for number in range(start, min(leaves, start + _AT_ONCE))]
        digests = [leaf_digest(entry) for entry in entries]
        bundles = dict(_bundles(start // TILE_WIDTH, entries))
        files.write(edge.append(digests), bundles)
        frontier.extend(digests)
    return frontier.root()


def _bundles(first: int, entries: list[bytes]) -> Iterator[tuple[tuple[int, int], bytes]]:
    for place in range(0, len(entries), TILE_WIDTH):
        bundle = entries[place : place + TILE_WIDTH]
        yield (first + place // TILE_WIDTH, len(bundle)), encode_entries(bundle)


def _prove(files: TileFiles, leaves: int, root: bytes, proofs: int) -> Iterator[float]:
    """The milliseconds of each proof."""
    reader = TreeReader(files, leaves)
    for index in map(int, np.random.default_rng(_SEED).integers(leaves, size=proofs)):
        began = time.perf_counter()
        path = reader.inclusion(index)
        yield (time.perf_counter() - began) * 1000
        if root_of_path(leaf_digest(_entry(index)), index, leaves, b"".join(path)) != root:
            raise SimulationError("a proof does not lead to the root of the log")


def _entry(number: int) -> bytes:
    digest = hashlib.sha256(number.to_bytes(8, "big")).digest()
    return bytes([EntryKind.REQUEST]) + digest + digest[:TAG_BYTES]


def _bytes_below(directory: Path) -> int:
    return sum(path.lstat().st_blocks * _BLOCK_BYTES for path in directory.rglob("*"))
