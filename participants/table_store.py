"""A participant's own records on its own disk: one checked table, exchanged whole or not at all.

    <directory>/                 0700
      contract.toml              what the table must be; the holder may edit it, then imports again
      current.json               {"format", "file", "sha256", "rows", "contract_sha256"}: which table counts
      table-<digest>.parquet     the table itself, 0600

A new table is written beside the old one and `current.json` is then replaced in one step, so that a bad file, a full
disk or a lost machine leaves the old table in force.
"""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from participants.contract import KEY_COLUMN, DataContract, Item
from participants.errors import StoreUnusable
from participants.table import read_table

_FORMAT: Final = 1
_CONTRACT: Final = "contract.toml"
_CURRENT: Final = "current.json"


class _Current(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    format: int
    file: str
    sha256: str
    rows: int
    contract_sha256: str


class TableStore:
    """The store in `directory`; `required` and `optional` are columns that it has besides the contract's items."""

    def __init__(self, directory: Path, *, required: Sequence[Item] = (), optional: Sequence[Item] = ()) -> None:
        self._directory = directory
        self._required = tuple(required)
        self._optional = tuple(optional)
        self.contract: Final = DataContract.read(directory / _CONTRACT)
        self._loaded: tuple[str, pl.DataFrame] | None = None

    @staticmethod
    def prepare(directory: Path, contract: DataContract) -> None:
        """Make the directory and put the contract in it; a table made under another one no longer counts."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        _write_private(directory / _CONTRACT, contract.to_toml().encode("utf-8"))

    def import_file(self, path: Path) -> int:
        """Take the file's table in place of the present one; return its rows. `TableRefused` changes nothing."""
        return self._replace(read_table(path, self.contract, required=self._required, optional=self._optional))

    def _replace(self, table: pl.DataFrame) -> int:
        buffer = io.BytesIO()
        table.sort(KEY_COLUMN).write_parquet(buffer, compression="lz4")
        data = buffer.getvalue()
        digest = hashlib.sha256(data).hexdigest()
        current = _Current(
            format=_FORMAT,
            file=f"table-{digest[:16]}.parquet",
            sha256=digest,
            rows=table.height,
            contract_sha256=self._contract_digest(),
        )
        try:
            _write_private(self._directory / current.file, data)
            _write_private(
                self._directory / _CURRENT, json.dumps(msgspec.to_builtins(current), indent=1).encode("ascii")
            )
        except OSError as error:
            raise StoreUnusable(f"the table cannot be stored ({error.strerror}); the old one stays in force") from error
        for old in self._directory.glob("table-*.parquet"):
            if old.name != current.file:
                old.unlink(missing_ok=True)
        return table.height

    @property
    def is_empty(self) -> bool:
        """Whether nothing was imported yet."""
        return not (self._directory / _CURRENT).exists()

    def table(self) -> pl.DataFrame:
        """Return the present table, ordered by enterprise id; `StoreUnusable` when there is none or it is damaged."""
        current = self._current()
        if self._loaded is None or self._loaded[0] != current.sha256:
            if not (self._directory / current.file).exists():
                current = self._current()  # another process has imported a table in between
            self._loaded = (current.sha256, self._load(current))
        return self._loaded[1]

    def _current(self) -> _Current:
        try:
            current = msgspec.json.decode((self._directory / _CURRENT).read_bytes(), type=_Current)
        except FileNotFoundError as error:
            raise StoreUnusable("no data were imported yet", advice="Import a CSV or Parquet file first.") from error
        except (OSError, msgspec.DecodeError) as error:
            raise _damaged() from error
        if current.format != _FORMAT or Path(current.file).name != current.file:
            raise _damaged()
        if current.contract_sha256 != self._contract_digest():
            raise StoreUnusable(
                "the contract has changed since the data were imported", advice="Import the data again."
            )
        return current

    def _load(self, current: _Current) -> pl.DataFrame:
        try:
            data = (self._directory / current.file).read_bytes()
        except OSError as error:
            raise _damaged() from error
        if hashlib.sha256(data).hexdigest() != current.sha256:
            raise _damaged()
        return pl.read_parquet(io.BytesIO(data))

    def _contract_digest(self) -> str:
        return hashlib.sha256(self.contract.to_toml().encode("utf-8")).hexdigest()


def rows_of(table: pl.DataFrame, enterprise_ids: Sequence[str]) -> pl.DataFrame:
    """Return one row for each of these ids, in their order; a row of nulls where the table does not hold the id."""
    wanted = pl.DataFrame({KEY_COLUMN: pl.Series(enterprise_ids, dtype=pl.String)})
    return wanted.join(table, on=KEY_COLUMN, how="left", maintain_order="left")


def _damaged() -> StoreUnusable:
    return StoreUnusable("the store's files are damaged", advice="Import the data again.")


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read, in one step: all of it is there, or the old one is."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
