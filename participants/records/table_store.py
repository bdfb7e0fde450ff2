"""A participant's own records on its own disk: one checked table, exchanged whole or not at all.

    <directory>/                 0700
      contract.toml              what the table must be; the holder may edit it, then imports again
      current.json               {"format", "file", "sha256", "rows", "contract_sha256"}: which table counts
      table-<digest>.parquet     the table itself, 0600
      staged.json                for a moment: what `current.json` is going to be
      .import-<random>/          during an import: pieces of the table

A new table is written beside the old one (`stage`) and `current.json` is then replaced in one step (`publish`), so that
a bad file, a full disk or a lost machine leaves the old table in force. One import goes on at a time (`importing`).
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import polars as pl

from models.hosting.storage.files import Watched, private_directory, private_file, remove_drafts, sync_directory
from participants.errors import ImportGoesOn, StoreUnusable
from participants.records.contract import KEY_COLUMN, DataContract, Item, unreadable_contract
from participants.records.sorted_table import PART_ROWS, SortedTable
from participants.records.table import table_pieces

_FORMAT: Final = 1
_CONTRACT: Final = "contract.toml"
_CURRENT: Final = "current.json"
_STAGED: Final = "staged.json"
_UNFINISHED: Final = ".import-"

_ROWS_A_SEARCH: Final = 16
"""So many rows are joined in the time of one search."""


class StoredTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `current.json` says; `sha256` is that of `file`, `contract_sha256` that of the contract."""

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
        self._contract = Watched(directory / _CONTRACT, DataContract.from_bytes)
        self._loaded: tuple[str, pl.DataFrame] | None = None
        _ = self.contract

    @property
    def contract(self) -> DataContract:
        """The contract as it is now: its holder may edit it at any time. `ContractRefused` for one with faults."""
        try:
            return self._contract.get()
        except OSError as error:
            raise unreadable_contract(error) from error

    @staticmethod
    def prepare(directory: Path, contract: DataContract) -> None:
        """Make the directory and put the contract in it; a table made under another one no longer counts."""
        private_directory(directory)
        private_file(directory / _CONTRACT, contract.to_toml().encode("utf-8"))

    def import_file(self, path: Path) -> int:
        """Take the file's table in place of the present one; return its rows. `TableRefused` changes nothing."""
        with self.importing():
            staged = self.stage(path)
            self.publish(staged)
        return staged.rows

    @contextmanager
    def importing(self, *, wait: bool = False) -> Iterator[None]:
        """Keep other imports out, at the latest until this process ends.

        If one is going on: `wait` for its end, or raise `ImportGoesOn`.
        """
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            _lock(descriptor, wait=wait)
            yield
        finally:
            os.close(descriptor)

    def stage(self, path: Path) -> StoredTable:
        """Write the file's table beside the present one, which stays in force. Only while `importing`."""
        self._remove_unfinished()
        contract = self.contract  # one and the same, also if it is edited meanwhile
        try:
            with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=self._directory) as place:
                table = SortedTable(Path(place))
                for piece in table_pieces(path, contract, required=self._required, optional=self._optional):
                    table.add(piece)
                whole = Path(place) / "table"
                table.write(whole)
                staged = _described(whole, table.rows, contract)
                whole.replace(self._directory / staged.file)
            # The name of the table is on disk before anything names it.
            sync_directory(self._directory)
            private_file(self._directory / _STAGED, json.dumps(msgspec.to_builtins(staged), indent=1).encode("ascii"))
        except (OSError, pl.exceptions.PolarsError) as error:
            self.drop_staged()
            why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            raise StoreUnusable(f"the table cannot be stored ({why}); the old one stays in force") from error
        return staged

    @property
    def staged(self) -> StoredTable | None:
        """What was staged and neither published nor dropped: an import ended in between, or has not ended yet."""
        path = self._directory / _STAGED
        return _read(path) if path.exists() else None

    def publish(self, staged: StoredTable) -> None:
        """Put the staged table in force, and remove all others. Only while `importing`."""
        (self._directory / _STAGED).replace(self._directory / _CURRENT)
        sync_directory(self._directory)
        self._remove_tables_but(staged.file)

    def drop_staged(self) -> None:
        """Remove what was staged; the present table stays in force. Only while `importing`."""
        (self._directory / _STAGED).unlink(missing_ok=True)
        self._remove_tables_but("" if self.is_empty else _read(self._directory / _CURRENT).file)

    def _remove_tables_but(self, name: str) -> None:
        for path in self._directory.glob("table-*.parquet"):
            if path.name != name:
                path.unlink(missing_ok=True)

    def _remove_unfinished(self) -> None:
        """Remove what an import left that was killed."""
        remove_drafts(self._directory)
        for path in self._directory.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(path)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was imported yet."""
        return not (self._directory / _CURRENT).exists()

    def table(self) -> pl.DataFrame:
        """Return the present table, ordered by enterprise id; `StoreUnusable` when there is none or it is damaged."""
        current = self.current()
        if self._loaded is None or self._loaded[0] != current.sha256:
            if not (self._directory / current.file).exists():
                current = self.current()  # another process has imported a table in between
            self._loaded = (current.sha256, self._load(current))
        return self._loaded[1]

    def parts(self, stored: StoredTable, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield these columns of a table that was staged or is in force, some ten thousand rows at a time, in order."""
        with self._verified(stored):
            table = pl.scan_parquet(self._directory / stored.file, glob=False)
            present = [name for name in columns if name in table.collect_schema()]
            for start in range(0, stored.rows, PART_ROWS):
                yield table.select(present).slice(start, PART_ROWS).collect()

    def current(self) -> StoredTable:
        """What is in force; `StoreUnusable` when there is nothing, or it was made under another contract."""
        current = self.newest()
        if not self.keeps_to_contract(current):
            raise StoreUnusable(
                "the contract has changed since the data were imported", advice="Import the data again."
            )
        return current

    def newest(self) -> StoredTable:
        """What was imported last, under whichever contract; `StoreUnusable` when there is nothing."""
        try:
            return _read(self._directory / _CURRENT)
        except FileNotFoundError as error:
            raise StoreUnusable("no data were imported yet", advice="Import a CSV or Parquet file first.") from error

    def keeps_to_contract(self, stored: StoredTable) -> bool:
        """Whether a table was made under the contract that there is now."""
        return stored.contract_sha256 == _contract_digest(self.contract)

    def _load(self, current: StoredTable) -> pl.DataFrame:
        with self._verified(current) as file:
            return pl.read_parquet(file)

    @contextmanager
    def _verified(self, stored: StoredTable) -> Iterator[BinaryIO]:
        """Open a table's file; `StoreUnusable` if it is not what was written, or turns out not to be readable."""
        try:
            with (self._directory / stored.file).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != stored.sha256:
                    raise _damaged()
                file.seek(0)
                yield file
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _damaged() from error


def rows_of(table: pl.DataFrame, enterprise_ids: Sequence[str]) -> pl.DataFrame:
    """Return one row for each of these ids, in their order; a row of nulls where the table does not hold the id.

    `table` is ordered by enterprise id, so that a few of its rows cost no look at all the others.
    """
    wanted = pl.Series(KEY_COLUMN, enterprise_ids, dtype=pl.String)
    if len(wanted) * _ROWS_A_SEARCH > table.height:
        return wanted.to_frame().join(table, on=KEY_COLUMN, how="left", maintain_order="left")
    keys = table[KEY_COLUMN]
    places = keys.search_sorted(wanted)
    at = _null_unless(places < len(keys), places)
    at = _null_unless(keys.gather(at) == wanted, at)
    return table.select(pl.exclude(KEY_COLUMN).gather(at)).insert_column(0, wanted)


def _null_unless(held: pl.Series, places: pl.Series) -> pl.Series:
    return pl.select(pl.when(held).then(places)).to_series()


def _described(table: Path, rows: int, contract: DataContract) -> StoredTable:
    with table.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return StoredTable(
        format=_FORMAT,
        file=f"table-{digest[:16]}.parquet",
        sha256=digest,
        rows=rows,
        contract_sha256=_contract_digest(contract),
    )


def _contract_digest(contract: DataContract) -> str:
    return hashlib.sha256(contract.to_toml().encode("utf-8")).hexdigest()


def _read(path: Path) -> StoredTable:
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=StoredTable)
    except FileNotFoundError:
        raise
    except (OSError, msgspec.DecodeError) as error:
        raise _damaged() from error
    if stored.format != _FORMAT or Path(stored.file).name != stored.file:
        raise _damaged()
    return stored


def _damaged() -> StoreUnusable:
    return StoreUnusable("the store's files are damaged", advice="Import the data again.")


def _lock(descriptor: int, *, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ImportGoesOn("another import is going on", advice="Wait until it has ended.") from error
