"""A bank's node, running: its part in training, and what its operator asks it. Scores are asked for by `client.py`."""

from __future__ import annotations

from crypto.identifiers import parse_participant_id
from models.hosting.operation.expiry import CertificateExpiry
from models.hosting.operation.process import NodeProcess
from participants.bank.book import BankBook
from participants.bank.database import open_database
from participants.bank.settings import BankSettings
from participants.flower.training import training_services
from participants.home import Home


def serve_bank(home: Home, settings: BankSettings) -> None:
    """Serve until SIGTERM. Raises `SchemaOutdated`, `ListenRefused`, and `UntrustedKey` if the bureau is not pinned."""
    database = open_database(home)
    bureau = parse_participant_id(settings.bureau)
    home.pins.document(bureau)
    book = BankBook(home.directory / "data")
    checks = {
        "database": database.is_current,
        "bureau-pinned": lambda: bureau in home.pins.names(),
        "data": lambda: not book.is_empty,
    }
    with NodeProcess(settings, checks=checks) as process:
        process.registry.register(CertificateExpiry(home))
        if settings.fleet_address:
            process.look_after(training_services(home.directory, **settings.training()))
        process.open_operations()
        process.wait_for_end()
