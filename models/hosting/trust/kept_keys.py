"""What a node's home holds, for reading: its keys and documents by serial, and whom it trusts.

Everything is read fresh, so that all processes of a node go over to new keys at once; what is read of one serial never
changes. Which serials count says `key_sets.py`; who writes them is `home.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from crypto.errors import ProtectionUnavailable, UntrustedKey
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from crypto.succession import HandOver
from models.hosting.clock import Clock, SystemClock
from models.hosting.trust.key_parts import CERTIFICATE_FILE, IDENTITY_FILE, NODE_KEY_FILE, TLS_KEY_FILE
from models.hosting.trust.key_sets import KeySets
from models.hosting.trust.passphrase import Vault
from models.hosting.trust.pins import PinBook

KEYS_FOLDER: Final = "keys"


@dataclass(frozen=True)
class KeptKeys:
    """The keys, documents and pins in a home's `directory`."""

    directory: Path
    participant_id: ParticipantId
    role: Role
    title: str
    vault: Vault = field(default_factory=Vault, repr=False, compare=False)
    clock: Clock = field(default_factory=SystemClock, repr=False, compare=False)
    _identities: dict[int, Identity] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def pins(self) -> PinBook:
        """Whom this node trusts."""
        return PinBook(self.directory / "pins", clock=self.clock)

    @property
    def serial(self) -> int:
        """The serial of the current document."""
        return self._sets.state().current

    def identity(self) -> Identity:
        """Return the current private identity."""
        return self._identity(self.serial)

    def identities(self) -> dict[int, Identity]:
        """Return the private identities that may still be used by their serials: current, then those in grace."""
        serials = self.serials()
        for forgotten in set(self._identities) - set(serials):
            self._identities.pop(forgotten, None)
        return {serial: self._identity(serial) for serial in serials}

    def serials(self) -> tuple[int, ...]:
        """Return the serials whose private keys may still be used: current, then those in grace, newest first."""
        return self._sets.state().in_force(self.clock.now())

    def document(self) -> bytes:
        """Return the current document, signed, as it travels."""
        return self._public(self.serial, "document")

    def documents(self) -> dict[int, bytes]:
        """Return the signed documents by their serials: current, then those in grace."""
        return {serial: self._public(serial, "document") for serial in self.serials()}

    def verify_own(self, data: bytes) -> ParticipantDocument:
        """Return the document in `data` if it is the current one or one in grace; `UntrustedKey` if it is not."""
        if data not in self.documents().values():
            raise UntrustedKey("a document that is said to be of this participant is not one of its own in force")
        return HandOver(data).verify_signed_by_itself()

    def hand_over(self) -> bytes:
        """Return the current document with the endorsement of the identity before it, if there was one: for pinning."""
        return self._handed_over(self.serial)

    def next_document(self) -> bytes | None:
        """Return the next document as `prepare_rotation` did, or None if nothing is prepared."""
        upcoming = self._sets.state().next
        return None if upcoming is None else self._handed_over(upcoming)

    @property
    def next_document_path(self) -> Path:
        """The file that holds the next document while one is prepared."""
        return self.directory / "next-document"

    def tls_identity(self) -> tuple[Path, Path, bytes | None]:
        """Return the current TLS certificate, its private key, and that one's password: the three of one serial.

        A rotation that is finished changes the paths; the files that they led to stay in the time of grace.
        """
        certificate = self.certificate_path
        return certificate, certificate.with_name(TLS_KEY_FILE), self.tls_password()

    @property
    def certificate_path(self) -> Path:
        """The current TLS certificate (PEM)."""
        return self._existing(CERTIFICATE_FILE)

    def tls_password(self) -> bytes | None:
        """Return the password of the TLS key's file, or None if it is not encrypted."""
        return self.vault.tls_password()

    @property
    def node_key_path(self) -> Path:
        """The Flower node's private key, as it lies on the disk: sealed in a sealed home. See `node_key_file`."""
        return self._existing(NODE_KEY_FILE)

    def node_key(self) -> bytes:
        """Return the Flower node's private key (OpenSSH, P-384, not encrypted)."""
        return self.private_bytes(NODE_KEY_FILE)

    @contextmanager
    def node_key_file(self) -> Iterator[Path]:
        """Give a path where a process of this user reads the Flower node's private key, as long as the context lasts.

        In a sealed home that is memory of this process and never the disk.
        """
        if not self.vault.is_sealed:
            yield self.node_key_path
            return
        descriptor = os.memfd_create("node-key", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, self.node_key())
            yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def private_bytes(self, name: str, *, serial: int | None = None) -> bytes:
        """Return what the private file `name` holds, of the current serial or another that is kept."""
        path = self._sets.folder(self.serial if serial is None else serial) / name
        try:
            return self.vault.unseal(name, path.read_bytes())
        except FileNotFoundError:
            raise ProtectionUnavailable(
                f"this home has no {name} of that serial", advice="see which parts its document names"
            ) from None

    @cached_property
    def _sets(self) -> KeySets:
        return KeySets(self.directory / KEYS_FOLDER)

    def _identity(self, serial: int) -> Identity:
        # A serial is never used twice, so what was read once stays right.
        if serial not in self._identities:
            self._identities[serial] = Identity.from_private_bytes(self.private_bytes(IDENTITY_FILE, serial=serial))
        return self._identities[serial]

    def _handed_over(self, serial: int) -> bytes:
        endorsement = self._sets.folder(serial) / "endorsement"
        return self._public(serial, "document") + (endorsement.read_bytes() if endorsement.exists() else b"")

    def _public(self, serial: int, name: str) -> bytes:
        return (self._sets.folder(serial) / name).read_bytes()

    def _existing(self, name: str) -> Path:
        path = self._sets.folder(self.serial) / name
        if not path.exists():
            raise ProtectionUnavailable(f"this home has no {name}", advice="a node's service needs an address")
        return path
