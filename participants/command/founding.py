"""`init` of a department or a bank."""

from __future__ import annotations

from pathlib import Path

from crypto.errors import ProtectionUnavailable
from crypto.identifiers import Role, parse_participant_id
from models.hosting.command.founding import founded, write_settings
from models.hosting.errors import FileRefused
from models.hosting.operation.settings import HostSettings
from models.hosting.storage.files import private_file
from models.hosting.trust.passphrase import read_passphrase
from participants.home import Home
from participants.records.contract import DataContract
from participants.runs.approval_policy import POLICY_FILE, TEMPLATE


def initialise(
    directory: Path,
    *,
    name: str,
    role: Role,
    title: str,
    address: str,
    contract: Path,
    settings: type[HostSettings],
    assignments: list[str],
) -> dict[str, object]:
    """Make a participant's home: settings, policy and contract first, keys last. Return what to show of it."""
    from participants.records.table_store import TableStore  # as in `runs.py`

    participant_id = parse_participant_id(name)
    if not contract.is_file():
        raise FileRefused(f"{contract} is no file", advice="--contract names the data contract: docs/data-contract.md")
    agreed = DataContract.read(contract)
    Home.require_none(directory)
    write_settings(directory, settings, assignments)
    private_file(directory / POLICY_FILE, TEMPLATE.encode())
    TableStore.prepare(directory / "data", agreed)
    home = Home.create(
        directory, participant_id=participant_id, role=role, title=title, address=address, passphrase=read_passphrase()
    )
    return founded(home)


def open_home_of(role: Role, directory: Path) -> Home:
    """The home in `directory`, which must be of this role; raises `ProtectionUnavailable`."""
    home = Home.open(directory, passphrase=read_passphrase())
    if home.role is not role:
        raise ProtectionUnavailable(f"{directory} is the home of a {home.role}", advice=f"say yurong {home.role} ...")
    return home
