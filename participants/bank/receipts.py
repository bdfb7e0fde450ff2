"""The receipts of a bank's requests: that each is in the log that a quorum of departments has seen.

A receipt comes with the score, under the cosignatures that departments gave with their answers. Those of a request that
was one of many at once may be too few; then the bureau gives another one later (`/v1/receipts`), of a later state.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId, RequestId, Role
from crypto.transparency.checkpoint import signed_checkpoint
from crypto.transparency.cosignature import require_quorum
from crypto.transparency.errors import TooFewWitnesses
from crypto.transparency.receipt import Receipt, TrustedLog
from models.hosting.storage.database import Database
from models.log.names import trusted_log
from models.reasons.principal import PrincipalReason
from models.wire.score_statement import ScoreStatement, SignedStatement
from participants.bank.database.tables import receipts
from participants.bank.errors import NotKept
from participants.bank.settings import bureau_of
from participants.home import Home

_WAITING: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreEvidence:
    """What a bank keeps of a request besides its score. digest: of the request. document: as this bank signed it.

    receipt: a `.tlog-proof`. witnesses: how many have cosigned it, or 0 while they are no quorum. reasons: for this
    bank, if the consent lets it open them. for_enterprise: what the enterprise alone opens, or nothing.
    """

    digest: bytes
    request_id: RequestId
    document: bytes
    receipt: bytes
    witnesses: int
    reasons: tuple[PrincipalReason, ...] | None
    for_enterprise: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReceipt:
    """One receipt. digest: of the request. entry, index: its entry in the log. witnesses: 0 until a quorum cosigned."""

    digest: bytes
    statement: ScoreStatement
    entry: bytes
    index: int
    receipt: bytes
    witnesses: int
    received_at: int


class ReceiptStore:
    """The table in the bank's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, evidence: ScoreEvidence, *, now: float) -> None:
        """Keep what came with a score; once for each request."""
        reasons = None if evidence.reasons is None else json.dumps([asdict(one) for one in evidence.reasons])
        row = {
            "digest": evidence.digest,
            "request_id": evidence.request_id,
            "document": evidence.document,
            "receipt": evidence.receipt,
            "witnesses": evidence.witnesses,
            "reasons": reasons,
            "reasons_for_enterprise": evidence.for_enterprise or None,
            "received_at": int(now),
        }
        with self._database.begin() as connection:
            if (
                connection.execute(select(receipts.c.digest).where(receipts.c.digest == evidence.digest)).first()
                is None
            ):
                connection.execute(insert(receipts), row)

    def completed(self, digest: bytes, receipt: bytes, witnesses: int) -> None:
        """A quorum has cosigned."""
        changed = {"receipt": receipt, "witnesses": witnesses}
        with self._database.begin() as connection:
            connection.execute(update(receipts).where(receipts.c.digest == digest), changed)

    def incomplete(self) -> list[KeptReceipt]:
        """Those that wait for a quorum, the oldest first."""
        found = select(receipts).where(receipts.c.witnesses == _WAITING).order_by(receipts.c.received_at)
        with self._database.reading() as connection:
            return [_kept(row) for row in connection.execute(found).all()]

    def latest(self, count: int) -> list[KeptReceipt]:
        """The last receipts, the newest first."""
        found = select(receipts).order_by(receipts.c.received_at.desc(), receipts.c.digest).limit(count)
        with self._database.reading() as connection:
            return [_kept(row) for row in connection.execute(found).all()]

    def find(self, request_id: RequestId) -> KeptReceipt:
        """The receipt of a request, of the last one if several were made under its id; raises `NotKept`."""
        found = select(receipts).where(receipts.c.request_id == request_id)
        with self._database.reading() as connection:
            row = connection.execute(found.order_by(receipts.c.received_at.desc(), receipts.c.digest)).first()
        if row is None:
            raise NotKept("this bank has no receipt of such a request", advice="`yurong bank receipts` lists them.")
        return _kept(row)

    def reasons(self, request_id: RequestId) -> tuple[PrincipalReason, ...] | None:
        """The reasons that came with a score; None if the consent lets this bank open none."""
        found = select(receipts.c.reasons).where(receipts.c.request_id == request_id, receipts.c.reasons.is_not(None))
        with self._database.reading() as connection:
            text = connection.execute(found).scalar()
        return None if text is None else tuple(_reason(one) for one in json.loads(text))

    def for_enterprise(self, request_id: RequestId) -> bytes | None:
        """What the enterprise alone opens."""
        column = receipts.c.reasons_for_enterprise
        found = select(column).where(receipts.c.request_id == request_id, column.is_not(None))
        with self._database.reading() as connection:
            data = connection.execute(found).scalar()
        return None if data is None else bytes(data)


def check_receipt(data: bytes, entry: bytes, home: Home) -> int:
    """How many witnesses have cosigned the receipt of an entry: 0 if they are fewer than a quorum.

    Raises `SignatureInvalid`, `NotIncluded` and `MalformedMessage` for one that is not of this entry and log.
    """
    receipt, log = Receipt.decode(data), bank_s_log(home)
    receipt.require_included(entry, signed_checkpoint(receipt.note, log.log_keys))
    try:
        return len(require_quorum(receipt.note, log.witnesses, log.quorum))
    except TooFewWitnesses:
        return 0


def bank_s_log(home: Home) -> TrustedLog:
    """The log of the bureau that this bank has pinned, of several the one of its settings; else `PeerError`."""
    pinned = home.pins.documents()
    bureaus = [name for name, documents in pinned.items() if documents and documents[0].role is Role.BUREAU]
    if len(bureaus) > 1:
        bureaus = [name for name in bureaus if name == bureau_of(home)]
    if len(bureaus) != 1:
        raise PeerError("this bank has pinned no bureau, or several and none of its settings", advice="Pin its bureau.")
    return trusted_log(bureaus[0], pinned)


def _reason(row: dict[str, Any]) -> PrincipalReason:
    return PrincipalReason(**row | {"departments": tuple(ParticipantId(name) for name in row["departments"])})


def _kept(row: Row[Any]) -> KeptReceipt:
    statement = SignedStatement.read(row.document).claimed
    return KeptReceipt(
        digest=row.digest,
        statement=statement,
        entry=statement.entry(row.document).encode(),
        index=Receipt.decode(row.receipt).index,
        receipt=row.receipt,
        witnesses=row.witnesses,
        received_at=row.received_at,
    )
