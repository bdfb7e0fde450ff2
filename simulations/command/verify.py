"""`yurong verify`: whether a receipt proves what it should, offline and with nothing but public keys."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crypto.errors import MalformedMessage
from crypto.transparency.note import NoteKey
from crypto.transparency.receipt import MAXIMUM_RECEIPT_BYTES, TrustedLog
from models.hosting.command.options import AsJson, show
from models.wire.document_fields import bytes_of
from models.wire.log_entry import EntryKind, LogEntry


class Kind(StrEnum):
    """What a document is, as the log's entries have it."""

    PARTICIPANT = "participant"
    PERMISSION = "permission"
    MODEL_APPROVED = "model-approved"
    PASSKEY = "passkey"
    CONSENT = "consent"
    CONSENT_CHANGE = "consent-change"
    REQUEST = "request"
    REFUSAL = "refusal"


Entry = Annotated[str | None, typer.Option(help="the entry, in hexadecimal digits", show_default=False)]
Document = Annotated[Path | None, typer.Option(help="the document that the entry stands for", show_default=False)]
OfKind = Annotated[Kind | None, typer.Option(help="what the document is", show_default=False)]
LogKey = Annotated[list[str] | None, typer.Option(help="a key of the log: name+id+key", show_default=False)]
WitnessKey = Annotated[list[str] | None, typer.Option(help="a key of a witness; several", show_default=False)]
Keys = Annotated[Path | None, typer.Option(help="a file of keys, as `log-keys` writes it", show_default=False)]
Quorum = Annotated[int | None, typer.Option(min=1, help="how many witnesses", show_default="a majority of them")]


def verify(
    receipt: Annotated[Path, typer.Argument(help="a .tlog-proof file")],
    *,
    entry: Entry = None,
    document: Document = None,
    kind: OfKind = None,
    log_key: LogKey = None,
    witness_key: WitnessKey = None,
    keys: Keys = None,
    quorum: Quorum = None,
    as_json: AsJson = False,
) -> None:
    """Check that an entry is in the log, and that enough witnesses have seen it there. Nobody is asked."""
    from models.log.receipts import prove

    log = trusted(log_key, witness_key, keys, quorum)
    given = _entry(entry, document, kind)
    proven = prove(limited(receipt, MAXIMUM_RECEIPT_BYTES), given, log)
    witnesses = {name: readable_time(at) for name, at in proven.witnesses.items()}
    facts = {
        "log": proven.checkpoint.origin,
        "index": proven.index,
        "entry": given.kind.name.lower().replace("_", "-"),
        "digest": given.digest.hex(),
        "size": proven.checkpoint.size,
        "root": proven.checkpoint.root.hex(),
        "quorum": log.quorum,
        "witnesses": witnesses,
    }
    show(facts, as_json=as_json)


def trusted(
    log_key: list[str] | None, witness_key: list[str] | None, keys: Path | None, quorum: int | None
) -> TrustedLog:
    """Whom to believe, from options or a file; raises `MalformedMessage`."""
    from models.log.key_file import MAXIMUM_KEY_FILE_BYTES, parse_keys, trusted_keys

    if keys is None:
        return trusted_keys(log_key or [], witness_key or [], quorum)
    if log_key or witness_key:
        raise MalformedMessage("keys come from a file or from options, and not from both")
    log = parse_keys(limited(keys, MAXIMUM_KEY_FILE_BYTES).decode("utf-8", errors="replace"))
    if quorum is None:
        return log
    return trusted_keys(_words(log.log_keys), _words(log.witnesses), quorum)


def limited(path: Path, maximum_bytes: int) -> bytes:
    """The bytes of a file; raises `MalformedMessage` for a longer one, and `OSError`."""
    with path.open("rb") as file:
        data = file.read(maximum_bytes + 1)
    if len(data) > maximum_bytes:
        raise MalformedMessage(f"{path} is too long to be what it should be")
    return data


def readable_time(at: int) -> str:
    """A time (seconds since 1970) as people read it, in UTC."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return f"{at} seconds since 1970"


def _words(keys: tuple[NoteKey, ...]) -> list[str]:
    return [key.encode() for key in keys]


def _entry(digits: str | None, document: Path | None, kind: Kind | None) -> LogEntry:
    """The entry that is meant; raises `MalformedMessage`."""
    from models.log.entries import MAXIMUM_DOCUMENT_BYTES, entry_of_document

    if (digits is None) is (document is None) or (document is None) is not (kind is None):
        raise MalformedMessage(
            "what the receipt is of is not said once",
            advice="Say --entry HEX, or --document FILE with --kind KIND.",
        )
    if document is not None and kind is not None:
        return entry_of_document(EntryKind[kind.name], limited(document, MAXIMUM_DOCUMENT_BYTES))
    return LogEntry.decode(bytes_of((digits or "").strip().lower()))
