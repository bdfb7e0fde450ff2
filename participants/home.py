"""A participant's home: the directory that holds its keys, pins, data, runs and models.

    home.json            who this participant is
    pins.json            fingerprints of the identities that it deals with, compared by another channel
    keys/                private keys, mode 0600
    node.sqlite          its database, unless `database.url` names another
    data/                its records
    runs/<run id>/       what it keeps of each run
    models/<version>/    its block of each finished model
    ledger               the mask contexts it has used
    lock                 held while a step is answered
    replies/             the replies it has given

Directories are 0700 and files 0600. Nothing in here is ever sent; messages are made from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from crypto.errors import MalformedMessage, ProtectionUnavailable, UntrustedKey
from crypto.identifiers import ParticipantId, Role, parse_participant_id
from crypto.identity import Identity, PublicIdentity, parse_fingerprint
from participants.keys import BankKeys, private_file
from participants.node_database import create_node_database


@dataclass(frozen=True)
class Home:
    """An existing home. Make a new one with `Home.create`."""

    directory: Path
    participant_id: ParticipantId
    role: Role
    title: str

    @classmethod
    def create(cls, directory: Path, *, participant_id: ParticipantId, role: Role, title: str) -> Home:
        """Make a home with new keys. Refuses to touch a directory that already holds one."""
        if (directory / "home.json").exists():
            raise ProtectionUnavailable(
                f"{directory} already holds a participant's keys", advice="choose another directory"
            )
        home = cls(directory, parse_participant_id(participant_id), role, title)
        for folder in ("keys", "data", "runs", "models"):
            (directory / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        private_file(directory / "keys" / "identity", Identity.generate().to_private_bytes())
        if role is Role.BANK:
            BankKeys.generate().save(directory / "keys")
        private_file(directory / "pins.json", b"{}")
        create_node_database(directory, role)
        about = {"participant_id": participant_id, "role": role, "title": title}
        private_file(directory / "home.json", json.dumps(about, ensure_ascii=False).encode())
        return home

    @classmethod
    def open(cls, directory: Path) -> Home:
        """The home in `directory`; `ProtectionUnavailable` if it has none that can be read."""
        try:
            about: dict[str, Any] = json.loads((directory / "home.json").read_bytes())
            return cls(
                directory, parse_participant_id(about["participant_id"]), Role(about["role"]), str(about["title"])
            )
        except (OSError, ValueError, KeyError, TypeError, MalformedMessage) as fault:
            raise ProtectionUnavailable(
                f"{directory} is no participant's home: {type(fault).__name__}", advice="create it first"
            ) from None

    def identity(self) -> Identity:
        """The private identity."""
        return Identity.from_private_bytes((self.directory / "keys" / "identity").read_bytes())

    def bank_keys(self) -> BankKeys:
        """A bank's decryption keys."""
        return BankKeys.load(self.directory / "keys")

    def pin(self, identities: Mapping[ParticipantId, PublicIdentity]) -> None:
        """Trust these identities from now on. The caller compared their fingerprints by another channel."""
        pins = self._pins() | {name: public.fingerprint().hex() for name, public in identities.items()}
        private_file(self.directory / "pins.json", json.dumps(pins, indent=1, sort_keys=True).encode())

    def pinned_fingerprint(self, participant: ParticipantId) -> bytes:
        """The fingerprint that was pinned for `participant`; raises `UntrustedKey` if none was."""
        pins = self._pins()
        if participant not in pins:
            raise UntrustedKey(
                f"{participant} is not pinned here", advice="compare its fingerprint by telephone and pin it first"
            )
        return parse_fingerprint(pins[participant])

    @cached_property
    def _pins_path(self) -> Path:
        return self.directory / "pins.json"

    def _pins(self) -> dict[str, str]:
        status = self._pins_path.stat()
        return _read_pins(self._pins_path, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _read_pins(path: Path, _inode: int, _modified: int, _size: int) -> dict[str, str]:
    """The pins in a file, read again when it is another file: it is replaced as a whole and never written into."""
    pins: dict[str, str] = json.loads(path.read_bytes())
    return pins
