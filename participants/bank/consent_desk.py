"""What a bank does with a consent that it is given, and with a change of one: hands both in at the bureau.

    POST /v1/consents           ConsentDeposit -> Deposited   into the log, and sealed to each department
    POST /v1/consent-changes    SignedChange -> Deposited     into the log
    POST /v1/receipts           ReceiptRequest -> ReceiptReply

What comes back is a receipt: it is verified here, under the keys of the departments that this bank has pinned.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from crypto.identity import ParticipantDocument
from crypto.labels import Label
from crypto.sealed import seal
from models.hosting.https.door import WayOut
from models.wire.consent_bundle import ConsentBundle
from models.wire.deposit import ConsentDeposit, Deposited, consent_context
from models.wire.envelope import post
from models.wire.online import ReceiptReply, ReceiptRequest
from models.wire.signed_change import SignedChange
from participants.bank.asking import Bureau
from participants.bank.consents import ConsentBook, HeldConsent
from participants.bank.database import open_database
from participants.bank.receipts import KeptReceipt, ReceiptStore, check_receipt
from participants.bank.settings import relying_party_of
from participants.home import Home

CONSENTS_PATH: Final = "/v1/consents"
CHANGES_PATH: Final = "/v1/consent-changes"
RECEIPTS_PATH: Final = "/v1/receipts"
SECONDS: Final = 30.0


class ConsentDesk:
    """Hands in what enterprises give a bank. Used within one event loop."""

    def __init__(self, home: Home, book: ConsentBook, receipts: ReceiptStore, bureau: Bureau) -> None:
        self._home, self._book, self._receipts, self._bureau = home, book, receipts, bureau

    async def deposit(self, bundle: ConsentBundle) -> HeldConsent:
        """Verify a consent, keep it and hand it in; again reaches the departments that were missing.

        Raises `ConsentNotTaken`, `UntrustedKey` for a department that is not pinned, and what the bureau refuses.
        """
        held = await asyncio.to_thread(self._book.keep, bundle)
        deposit = await asyncio.to_thread(self._sealed, held)
        data = await self._bureau.post(
            CONSENTS_PATH, deposit.encode(), maximum_bytes=Deposited.MAXIMUM_BYTES, timeout_seconds=SECONDS
        )
        deposited = Deposited.decode(data)
        await asyncio.to_thread(self._require_witnessed, deposited.receipt, deposit.consent)
        await asyncio.to_thread(self._book.handed_in, held.digest, deposited.receipt, deposited.missing)
        return await asyncio.to_thread(self._book.find, held.digest)

    async def change(self, change: SignedChange) -> bytes:
        """Hand in a change of a consent; return the receipt (`.tlog-proof`) that it is in the log."""
        data = await self._bureau.post(
            CHANGES_PATH, change.encode(), maximum_bytes=Deposited.MAXIMUM_BYTES, timeout_seconds=SECONDS
        )
        receipt = Deposited.decode(data).receipt
        await asyncio.to_thread(self._require_witnessed, receipt, change.entry().encode())
        return receipt

    async def complete_receipts(self) -> int:
        """Fetch the receipts that waited for a quorum; return how many still wait."""
        waiting = await asyncio.to_thread(self._receipts.incomplete)
        for kept in waiting:
            await self._complete(kept)
        return len(await asyncio.to_thread(self._receipts.incomplete))

    async def _complete(self, kept: KeptReceipt) -> None:
        message = ReceiptRequest(request=kept.digest).encode()
        data = await self._bureau.post(
            RECEIPTS_PATH, message, maximum_bytes=ReceiptReply.MAXIMUM_BYTES, timeout_seconds=SECONDS
        )
        receipt = ReceiptReply.decode(data).receipt
        witnesses = await asyncio.to_thread(check_receipt, receipt, kept.entry, self._home)
        if witnesses:
            await asyncio.to_thread(self._receipts.completed, kept.digest, receipt, witnesses)

    def _sealed(self, held: HeldConsent) -> ConsentDeposit:
        data = held.bundle.encode()
        boxes = {name: self._seal(self._home.pins.document(name), data) for name in held.consent.providers}
        return ConsentDeposit(
            passkey=held.bundle.binding_entry.encode(), consent=held.bundle.consent_entry.encode(), boxes=post(boxes)
        )

    def _seal(self, document: ParticipantDocument, data: bytes) -> bytes:
        context = consent_context(self._home.participant_id, document.participant_id)
        return seal(document.identity, data, label=Label.SEALED_CONSENT, context=context)

    def _require_witnessed(self, receipt: bytes, entry: bytes) -> None:
        if not check_receipt(receipt, entry, self._home):
            raise PeerError(
                "the bureau's receipt is not cosigned by a quorum of the departments that are pinned here",
                advice="Hand it in again when more departments are up.",
            )


@asynccontextmanager
async def open_desk(home: Home, bureau: ParticipantId) -> AsyncIterator[ConsentDesk]:
    """The desk of a home that may have any number of models: what is handed in is of none.

    Raises `UntrustedKey` if the bureau is not pinned.
    """
    home.pins.document(bureau)
    database = await asyncio.to_thread(open_database, home)
    peer = WayOut(home).peer(bureau)
    try:
        yield ConsentDesk(home, ConsentBook(home, database, relying_party_of(home)), ReceiptStore(database), peer)
    finally:
        await peer.close()
        database.close()
