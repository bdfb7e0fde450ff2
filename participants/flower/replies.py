"""The replies a participant has given, by request id, so that a repeated request is not handled twice.

The carrier delivers at most once, so the bureau repeats a request that was not answered in time: the request may have
been lost, or the reply. Masks and noise must not be made twice for one step, so a repetition gets the stored reply.
Stock Flower starts a process for every message, therefore this lives on disk, in the participant's home:

    replies/index.sqlite     one row a request: its id, SHA-256 of kind and body, outcome
    replies/<number>.body    the reply's bytes, checked against the size and SHA-256 in the row when read

A request is *claimed* (a row without outcome) before it is handled and *settled* after. One that was claimed and
never settled, because the process died over it, is not handled again but refused as interrupted: the coordinator
runs the step again as a new request. A body that is missing or not as recorded is treated the same.

Bounded: beyond `body_bytes` or `bodies` the oldest bodies go, beyond `rows` the oldest rows. A repetition of a request
whose body is gone is refused; of one whose row is gone, it would be handled again, and then the ledger of used mask
contexts, which forgets nothing, stops it. Writes are atomic for a process that dies; they are not forced to the disk,
so a power failure may forget the last replies, with the same consequence.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crypto.identifiers import RequestId
from models.wire.transport import Refusal

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS request (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL UNIQUE,
    request_digest BLOB NOT NULL,
    refusal TEXT,            -- NULL: claimed and not settled; '': answered
    body_size INTEGER,       -- NULL: no body is kept
    body_digest BLOB
) STRICT
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a request came to: an answer's `body`, or a `refusal` code and no body."""

    body: bytes = b""
    refusal: str = ""


class ReplyStore:
    """A participant's replies in `directory`, which is made if absent.

    `bodies` and `body_bytes` bound what is kept to be answered again, `rows` what is remembered as handled.
    """

    def __init__(self, directory: Path, *, bodies: int = 64, body_bytes: int = 512 << 20, rows: int = 100_000) -> None:
        self._directory = directory
        self._bodies = min(bodies, rows)
        self._body_bytes = body_bytes
        self._rows = rows
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def claim(self, request_id: RequestId, kind: str, body: bytes) -> Outcome | None:
        """Claim a request for handling: None the first time, and its outcome every time after.

        The caller that gets None must handle the request and `settle` it.
        """
        digest = _request_digest(kind, body)
        with self._index() as index:
            claimed = index.execute(
                "INSERT OR IGNORE INTO request (request_id, request_digest) VALUES (?, ?)", (request_id, digest)
            )
            if claimed.rowcount == 1:
                return None
            row = index.execute(
                "SELECT number, request_digest, refusal, body_size, body_digest FROM request WHERE request_id = ?",
                (request_id,),
            ).fetchone()
        return self._recall(row, digest)

    def settle(self, request_id: RequestId, outcome: Outcome) -> None:
        """Record what a claimed request came to."""
        with self._index() as index:
            number = index.execute("SELECT number FROM request WHERE request_id = ?", (request_id,)).fetchone()[0]
        if not outcome.refusal:
            self._write_body(number, outcome.body)
        size, digest = (None, None) if outcome.refusal else (len(outcome.body), _digest(outcome.body))
        with self._index() as index:
            index.execute(
                "UPDATE request SET refusal = ?, body_size = ?, body_digest = ? WHERE number = ?",
                (outcome.refusal, size, digest, number),
            )
            self._forget_oldest(index)

    def _recall(self, row: tuple[int, bytes, str | None, int | None, bytes | None], digest: bytes) -> Outcome:
        number, request_digest, refusal, size, body_digest = row
        if request_digest != digest:
            return Outcome(refusal=Refusal.REQUEST_ID_REUSED)
        if refusal:
            return Outcome(refusal=refusal)
        if refusal is None or size is None:
            return Outcome(refusal=Refusal.REQUEST_INTERRUPTED)
        try:
            body = self._body_path(number).read_bytes()
        except OSError:
            return Outcome(refusal=Refusal.REQUEST_INTERRUPTED)
        if len(body) != size or _digest(body) != body_digest:
            return Outcome(refusal=Refusal.REQUEST_INTERRUPTED)
        return Outcome(body=body)

    def _write_body(self, number: int, body: bytes) -> None:
        path = self._body_path(number)
        partial = path.with_suffix(".partial")
        with open(partial, "wb", opener=_private) as file:
            file.write(body)
        partial.replace(path)

    def _forget_oldest(self, index: sqlite3.Connection) -> None:
        kept = index.execute(
            "SELECT number, body_size FROM request WHERE body_size IS NOT NULL ORDER BY number DESC"
        ).fetchall()
        total = 0
        for position, (number, size) in enumerate(kept):
            total += size
            # The newest is always kept, however large: its reply may be on its way.
            if position and (position >= self._bodies or total > self._body_bytes):
                self._body_path(number).unlink(missing_ok=True)
                index.execute("UPDATE request SET body_size = NULL WHERE number = ?", (number,))
        index.execute("DELETE FROM request WHERE number <= (SELECT max(number) FROM request) - ?", (self._rows,))

    def _body_path(self, number: int) -> Path:
        return self._directory / f"{number}.body"

    @contextmanager
    def _index(self) -> Iterator[sqlite3.Connection]:
        """The index in one transaction that excludes every other process's."""
        connection = sqlite3.connect(self._directory / "index.sqlite", timeout=30, isolation_level=None)
        with closing(connection):
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_SCHEMA)
            yield connection
            connection.execute("COMMIT")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _request_digest(kind: str, body: bytes) -> bytes:
    return hashlib.sha256(kind.encode() + b"\n" + _digest(body)).digest()
