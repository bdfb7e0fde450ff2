"""Consents that were given and handed in before nodes are started: in the log, at the departments and at the bank."""

from __future__ import annotations

from collections.abc import Iterable

from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.transparency.receipt import Receipt
from models.wire.consent import Computation, Purpose, ReasonsOpenedBy
from participants.bank.consents import ConsentBook
from participants.bank.database import open_database as open_bank_database
from participants.department.database import open_database
from participants.home import Home
from simulations.drawn_model import DrawnFederation
from simulations.enterprise.willing import WillingEnterprises
from simulations.local_log import EVIDENCE, PAGES, LocalLog


def give_consents(
    drawn: DrawnFederation,
    enterprises: Iterable[EnterpriseId],
    *,
    banks: Iterable[ParticipantId] | None = None,
    purpose: Purpose = Purpose.APPLICATION,
    computation: Computation = Computation.SCORE,
    reasons_opened_by: ReasonsOpenedBy | None = None,
) -> None:
    """Have each of these consent to each of these banks (all), for one purpose. No node may run."""
    homes = {name: Home.open(path) for name, path in drawn.homes.items()}
    log = LocalLog.of(drawn.bureau)
    stores = {name: EVIDENCE(homes[name], open_database(homes[name])).consents for name in drawn.departments}
    registrar = homes[drawn.departments[0]]
    willing = WillingEnterprises(log, stores, registrar, clock=registrar.clock)
    books = {bank: ConsentBook(homes[bank], open_bank_database(homes[bank]), PAGES) for bank in banks or drawn.banks}
    for enterprise_id in enterprises:
        for bank, book in books.items():
            bundle = willing.consent(
                enterprise_id, bank, purpose=purpose, computation=computation, reasons_opened_by=reasons_opened_by
            )
            held = book.keep(bundle)
            receipt = Receipt(index=log.size - 1, path=log.path_of(log.size - 1), note=log.head)
            book.handed_in(held.digest, receipt.encode(), ())
    log.close()
