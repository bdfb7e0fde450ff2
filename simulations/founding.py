"""Founding a federation on one machine: a home for every participant, with keys, pins and imported data.

In a real federation each participant does this for itself and fingerprints are compared by telephone. Here one person
plays all of them, so everybody pins everybody and approves every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coordinator.home import BureauHome
from crypto.identifiers import ParticipantId, Role
from models.hosting.trust.home import NodeHome
from participants.bank.book import BankBook
from participants.department.store import DepartmentStore
from participants.home import Home
from participants.runs.approval_policy import approve_everything
from simulations.federation_data import DepartmentData, FederationData, written_title

FILES: Final = "files"
BUREAU_HOME: Final = "bureau-home"
BUREAU: Final = ParticipantId("bureau")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundedFederation:
    """All homes of a federation in one directory."""

    directory: Path
    title: str
    homes: dict[ParticipantId, Path]
    bureau: Path
    departments: tuple[ParticipantId, ...]
    banks: tuple[ParticipantId, ...]
    titles: dict[ParticipantId, str]


def found(data: FederationData, directory: Path) -> FoundedFederation:
    """Write the data as files, make every participant's home below `directory`, import its file, and pin everybody."""
    files = data.write(directory / FILES, table_format="parquet")
    homes: dict[ParticipantId, Home] = {}
    for member in data.members:
        name, path = member.participant_id, directory / "homes" / member.participant_id
        role = Role.DEPARTMENT if isinstance(member, DepartmentData) else Role.BANK
        homes[name] = Home.create(path, participant_id=name, role=role, title=member.title)
        approve_everything(path)
        store = DepartmentStore if role is Role.DEPARTMENT else BankBook
        store.create(path / "data", member.contract).import_file(files[name])
    bureau = BureauHome.create(
        directory / BUREAU_HOME, participant_id=BUREAU, role=Role.BUREAU, title="Big Data Development Bureau"
    )
    pin_everybody({**homes, BUREAU: bureau})
    return _founded(directory, tuple(homes.values()))


def pin_everybody(homes: Mapping[ParticipantId, NodeHome]) -> None:
    """Have every home pin the documents of all others, as if fingerprints had been compared by telephone."""
    handed = {name: (home.hand_over(), home.identity().public.fingerprint()) for name, home in homes.items()}
    for name, home in homes.items():
        home.pins.pin_all(one for other, one in handed.items() if other != name)


def reopen(directory: Path) -> FoundedFederation:
    """The federation that was founded in `directory`; raises `ProtectionUnavailable` if a home cannot be read."""
    return _founded(directory, tuple(Home.open(path) for path in sorted((directory / "homes").iterdir())))


def _founded(directory: Path, homes: tuple[Home, ...]) -> FoundedFederation:
    def having(role: Role) -> tuple[ParticipantId, ...]:
        return tuple(sorted(home.participant_id for home in homes if home.role is role))

    return FoundedFederation(
        directory=directory,
        title=written_title(directory / FILES),
        homes={home.participant_id: home.directory for home in homes},
        bureau=directory / BUREAU_HOME,
        departments=having(Role.DEPARTMENT),
        banks=having(Role.BANK),
        titles={home.participant_id: home.title for home in homes},
    )
