"""The bureau's home: what every node's home has, its runs, and its database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from coordinator.database import create_database
from crypto.errors import ProtectionUnavailable
from crypto.identifiers import Role
from models.hosting.clock import Clock
from models.hosting.storage.files import private_directory
from models.hosting.trust.home import NodeHome


@dataclass(frozen=True)
class BureauHome(NodeHome):
    """The home of a bureau. `runs/<run id>/` holds the plan and the checkpoint of each run."""

    @classmethod
    def open(cls, directory: Path, *, passphrase: str | None = None, clock: Clock | None = None) -> Self:
        """As `NodeHome.open`; `ProtectionUnavailable` as well if it is a participant's home."""
        home = super().open(directory, passphrase=passphrase, clock=clock)
        if home.role is not Role.BUREAU:
            raise ProtectionUnavailable(f"{directory} is the home of a {home.role}", advice="name the bureau's home")
        return home

    @property
    def runs(self) -> Path:
        """The directory of its runs."""
        return self.directory / "runs"

    def _furnish(self) -> None:
        private_directory(self.runs)
        create_database(self)
