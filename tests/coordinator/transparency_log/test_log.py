"""The bureau's log: what was appended is there, whatever stopped it, and it never has two states of one size."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select, update

from coordinator.database import SCHEMA
from coordinator.database.tables import log_head, log_staged
from coordinator.errors import LogContended, LogDamaged, LogExists, LogMissing
from coordinator.transparency_log import log as log_module
from coordinator.transparency_log import tile_files
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from coordinator.transparency_log.tile_files import TileFiles
from crypto.errors import MalformedMessage, SignatureInvalid
from crypto.merkle import MerkleTree, leaf_digest, root_of_path
from crypto.transparency.checkpoint import Checkpoint, signed_checkpoint
from crypto.transparency.consistency import check_consistency
from crypto.transparency.cosignature import cosign
from crypto.transparency.note import KeyUse, NoteKey
from crypto.transparency.receipt import Receipt, TrustedLog
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared

ORIGIN = "bureau.example/log"
PRIVATE = Ed25519PrivateKey.generate()
SIGNER = LogSigner.named(ORIGIN, PRIVATE.public_key().public_bytes_raw(), PRIVATE.sign)


class Killed(BaseException):
    """The machine stops here."""


def entry(number: int) -> bytes:
    return b"\x01" + number.to_bytes(32, "big")


def entries(start: int, end: int) -> list[bytes]:
    return [entry(number) for number in range(start, end)]


def root(size: int) -> bytes:
    return MerkleTree.of([leaf_digest(entry(number)) for number in range(size)]).root


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, SCHEMA)
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def log(tmp_path: Path, database: Database) -> TransparencyLog:
    return TransparencyLog.create(tmp_path / "log", database, SIGNER)


def opened(tmp_path: Path, database: Database) -> TransparencyLog:
    return TransparencyLog(tmp_path / "log", database, SIGNER)


def is_whole(log: TransparencyLog, size: int) -> None:
    """The log has the first `size` entries, says so under its signature, and shows each of them."""
    checkpoint = signed_checkpoint(log.note, (SIGNER.key,))
    assert (log.size, checkpoint) == (size, Checkpoint(ORIGIN, size, root(size)))
    assert log.entries(0, size + 100) == entries(0, size)
    assert log.reader().root() == checkpoint.root


def test_what_is_appended_is_there_and_after_opening_again(
    tmp_path: Path, database: Database, log: TransparencyLog
) -> None:
    size = 0
    for count in (1, 1, 253, 1, 1, 300, 600):
        log.append(entries(size, size + count))
        size += count
        is_whole(log, size)
    is_whole(opened(tmp_path, database), size)
    assert log.entries(250, 260) == entries(250, 260)


def test_every_state_extends_those_before(log: TransparencyLog) -> None:
    sizes = [0, 1, 7, 256, 300]
    for start, end in itertools.pairwise(sizes):
        old = signed_checkpoint(log.note, (SIGNER.key,))
        new = signed_checkpoint(log.append(entries(start, end)), (SIGNER.key,))
        check_consistency(old.size, old.root, new.size, new.root, log.reader().consistency(old.size))


def test_an_entry_has_a_receipt_that_anybody_verifies(log: TransparencyLog) -> None:
    witness = Ed25519PrivateKey.generate()
    key = NoteKey("tax", KeyUse.COSIGNATURE, witness.public_key().public_bytes_raw())
    note = log.append(entries(0, 700))
    cosigned = note.with_signatures([cosign(note.text, key, witness.sign, at=1_800_000_000)])
    receipt = Receipt(index=600, path=log.reader().inclusion(600), note=cosigned)
    trusted = TrustedLog(log_keys=(SIGNER.key,), witnesses=(key,), quorum=1)
    assert Receipt.decode(receipt.encode()).verify(entry(600), trusted).size == 700


def test_a_log_is_made_once_and_by_nothing_but_its_command(tmp_path: Path, database: Database) -> None:
    with pytest.raises(LogMissing):
        opened(tmp_path, database)
    TransparencyLog.create(tmp_path / "log", database, SIGNER).append(entries(0, 3))
    for directory in ("log", "elsewhere"):
        with pytest.raises(LogExists):
            TransparencyLog.create(tmp_path / directory, database, SIGNER)
    is_whole(opened(tmp_path, database), 3)


def test_files_of_another_log_are_not_taken_over(tmp_path: Path, database: Database) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "settled").write_text("5")
    with pytest.raises(LogExists):
        TransparencyLog.create(tmp_path / "log", database, SIGNER)
    with pytest.raises(LogMissing):
        opened(tmp_path, database)


def test_what_can_be_no_entry_is_not_appended(log: TransparencyLog) -> None:
    log.append(entries(0, 2))
    for wrong in (b"", bytes(256)):
        with pytest.raises(MalformedMessage):
            log.append([entry(2), wrong])
    log.append([])
    is_whole(log, 2)


def test_of_two_that_append_one_succeeds_and_the_other_has_to_open_it_again(
    tmp_path: Path, database: Database, log: TransparencyLog
) -> None:
    log.append(entries(0, 5))
    other = opened(tmp_path, database)
    log.append(entries(5, 7))
    for _ in range(2):
        with pytest.raises(LogContended):
            other.append([b"another sixth entry"])
    is_whole(opened(tmp_path, database), 7)


def test_a_head_of_another_key_and_files_that_do_not_lead_to_the_head_are_refused(
    tmp_path: Path, database: Database, log: TransparencyLog
) -> None:
    log.append(entries(0, 300))
    log.close()
    stranger = Ed25519PrivateKey.generate()
    with pytest.raises(SignatureInvalid):
        TransparencyLog(
            tmp_path / "log",
            database,
            LogSigner.named(ORIGIN, stranger.public_key().public_bytes_raw(), stranger.sign),
        )
    lies = SIGNER.checkpoint(300, root(299)).encode()
    with database.begin() as connection:
        honest = connection.execute(select(log_head.c.checkpoint)).scalar_one()
        connection.execute(update(log_head).values(checkpoint=lies))
    with pytest.raises(LogDamaged):
        opened(tmp_path, database)
    with database.begin() as connection:
        connection.execute(update(log_head).values(checkpoint=honest))
    (tmp_path / "log" / "tile" / "0" / "000").unlink()
    with pytest.raises(LogDamaged):
        opened(tmp_path, database).reader().inclusion(5)
    (tmp_path / "log" / "tile" / "0" / "001.p" / "44").unlink()
    with pytest.raises(LogDamaged):
        opened(tmp_path, database)


class Effects:
    """Counts what reaches the disk or the database, and stops before or after the one that it is told."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
        self.count, self._number, self._after = 0, number, after
        for owner, name in (
            (TileFiles, "_write"),
            (tile_files, "_sync_file"),
            (tile_files, "sync_directory"),
            (tile_files, "private_file"),
            (tile_files, "_remove_replaced"),
            (Prepared, "run"),
        ):
            patch.setattr(owner, name, self._watched(getattr(owner, name)))

    def _watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:
            mine, self.count = self.count, self.count + 1
            if mine == self._number and not self._after:
                raise Killed
            result = function(*arguments, **named)
            if mine == self._number:
                raise Killed
            return result

        return watched


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("count", [1, 20], ids=["one entry", "entries that fill a tile"])
def test_an_append_that_is_stopped_anywhere_is_in_the_log_or_not_and_the_log_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, *, after: bool
) -> None:
    monkeypatch.setattr(log_module, "SETTLE_EVERY", 10 if count == 20 else 1)
    outcomes: set[int] = set()
    for number in itertools.count():
        directory = tmp_path / str(number)
        directory.mkdir()
        database = Database(f"sqlite:///{directory / 'node.sqlite'}", SCHEMA)
        database.migrate()
        log = TransparencyLog.create(directory / "log", database, SIGNER)
        log.append(entries(0, 250))
        with pytest.MonkeyPatch.context() as patch:
            effects = Effects(patch, number, after=after)
            try:
                log.append(entries(250, 250 + count))
                done = True
            except Killed:
                done = False
        again = opened(directory, database)
        outcomes.add(again.size)
        is_whole(again, again.size)
        assert again.size in (250, 250 + count)
        assert not done or again.size == 250 + count
        again.append(entries(again.size, 600))
        is_whole(opened(directory, database), 600)
        database.close()
        if done:
            assert effects.count == number
            break
    assert outcomes == {250, 250 + count}


def test_nothing_stays_staged_and_no_tile_that_was_replaced_stays_behind(
    tmp_path: Path, database: Database, log: TransparencyLog
) -> None:
    for size in range(0, 700, 7):
        log.append(entries(size, size + 7))
    log.close()
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(log_staged)).scalar_one() == 0
    names = sorted(str(path.relative_to(tmp_path / "log")) for path in (tmp_path / "log").rglob("*") if path.is_file())
    assert names == [
        *("settled", "tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2"),
        *("tile/entries/000", "tile/entries/001", "tile/entries/002.p/188"),
    ]
    with pytest.raises(LogContended):
        log.append([entry(700)])
    is_whole(opened(tmp_path, database), 700)


def test_proofs_and_entries_are_read_while_entries_are_appended_and_tiles_replaced(
    log: TransparencyLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "SETTLE_EVERY", 1)
    log.append(entries(0, 200))
    ended, read = threading.Event(), 0

    def append() -> None:
        for number in range(200, 330):
            log.append([entry(number)])
        ended.set()

    old = log.reader()
    with ThreadPoolExecutor(1) as hands:
        appending = hands.submit(append)
        while not ended.is_set() and not appending.done():
            reader = log.reader()
            path = b"".join(reader.inclusion(199))
            assert root_of_path(leaf_digest(entry(199)), 199, reader.size, path) == reader.root() == root(reader.size)
            assert log.entries(190, 210)[:10] == entries(190, 200)
            read += 1
        appending.result()
    assert read
    assert old.root() == root(200)
