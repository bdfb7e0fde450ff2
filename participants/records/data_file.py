"""A data file as it came: opened within limits, read some megabytes at a time, and told apart by its first bytes."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from participants.errors import TableRefused
from participants.records.faults import Fault, TableReport

PARQUET_MAGIC: Final = b"PAR1"
_AT_ONCE: Final = 1 << 20
CheckHeader = Callable[[list[str]], list[Fault]]
"""Tells what is wrong with a table's columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLimits:
    """What a data file may cost before it is refused."""

    file_bytes: int = 4 << 30
    rows: int = 5_000_000
    columns: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some rows of a table. In `frame` a missing value is null; `row_numbers`: (rows,) int64, as in the file."""

    frame: pl.DataFrame
    row_numbers: npt.NDArray[np.int64]


def refusal(path: Path, *faults: Fault) -> TableRefused:
    """Return the error for a file with these faults."""
    return TableRefused(TableReport(file_name=path.name, faults=faults))


class DataFile:
    """An open data file; a missing, unreadable or oversized one is a `TableRefused`."""

    def __init__(self, path: Path, limits: TableLimits) -> None:
        self.path: Final = path
        self.limits: Final = limits
        try:
            if path.is_dir():
                raise refusal(path, Fault(reason="it is a directory"))
            if path.exists() and not path.is_file():
                raise refusal(path, Fault(reason="it is no regular file"))
            self._file = path.open("rb")
        except FileNotFoundError as error:
            raise refusal(path, Fault(reason="there is no such file")) from error
        except OSError as error:
            raise self._unreadable(error) from error
        except ValueError as error:
            raise refusal(path, Fault(reason="its name is no file's name")) from error
        self._stamp = self._stamped()
        if self._stamp[0] > limits.file_bytes:
            self._file.close()
            raise refusal(path, Fault(reason=f"it is longer than {limits.file_bytes} bytes"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def is_parquet(self) -> bool:
        """Whether the file begins as Parquet does."""
        self.rewind()
        return self.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC

    @property
    def ends_as_parquet(self) -> bool:
        """Whether the file ends as Parquet does."""
        self._file.seek(-len(PARQUET_MAGIC), 2)
        return self.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC

    def rewind(self, place: int = 0) -> None:
        """Read on from this place."""
        self._file.seek(place)

    def read(self, count: int) -> bytes:
        """Read so many bytes, fewer at the end of the file."""
        try:
            return self._file.read(count)
        except OSError as error:
            raise self._unreadable(error) from error

    def digest(self) -> bytes:
        """SHA-256 of the whole file, which is the one that was opened, whatever its path names by now.

        `TableRefused` if it was written to since: what was read of it may be neither the one nor the other.
        """
        self.rewind()
        found = hashlib.sha256()
        while part := self.read(_AT_ONCE):
            found.update(part)
        if self._stamped() != self._stamp:
            raise refusal(self.path, Fault(reason="it was written to while it was read"))
        return found.digest()

    def _stamped(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def _unreadable(self, error: OSError) -> TableRefused:
        return refusal(self.path, Fault(reason=f"it cannot be read ({error.strerror})"))
