"""A node's home: who it is, its keys and documents by serial, and whom it trusts.

    home.json          who this participant is
    keys/              its private keys and signed documents, by serial (`key_sets.py`), sealed or not (`passphrase.py`)
    pins/              whom it trusts (`pins.py`)
    next-document      while new keys are prepared: the document to hand over to everybody
    trust.lock         held by whoever changes keys

Directories are 0700 and files 0600. A rotation goes in two steps, so that peers never meet keys that they do not know:

| step    | the node uses            | peers trust                                        |
|---------|--------------------------|----------------------------------------------------|
| prepare | its current keys         | those; whoever pins the next document, the next too|
| finish  | the next keys            | both, until their time of grace is over            |
| later   | the next keys alone      | the next alone                                     |

After `finish` the previous private keys stay usable for a day, for what was sent before. Then they are removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from crypto.errors import MalformedMessage, ProtectionUnavailable, ProtocolStateError, UntrustedKey
from crypto.identifiers import ParticipantId, Role, parse_participant_id
from crypto.identity import Identity, ParticipantDocument
from crypto.succession import HandOver
from models.hosting.clock import Clock, SystemClock
from models.hosting.files import DRAFT_PREFIX, locked, private_directory, private_file, remove_drafts, sync_directory
from models.hosting.key_parts import (
    CERTIFICATE_FILE,
    IDENTITY,
    IDENTITY_FILE,
    NODE,
    NODE_KEY_FILE,
    TLS,
    TLS_KEY_FILE,
    Part,
    make_identity,
    make_node_key,
    make_tls,
)
from models.hosting.key_sets import KeySets, KeyState
from models.hosting.passphrase import Vault
from models.hosting.pins import PinBook

GRACE_SECONDS: Final = 24 * 3600
"""How long the previous private keys stay usable after a rotation was finished."""

_HOME_FILE: Final = "home.json"
_KEYS: Final = "keys"
# The TLS key brings its own encryption, which the TLS library reads.
_IN_THEIR_OWN_FORM: Final = frozenset({CERTIFICATE_FILE, TLS_KEY_FILE})


@dataclass(frozen=True)
class NodeHome:
    """An existing home. Make a new one with `create`."""

    directory: Path
    participant_id: ParticipantId
    role: Role
    title: str
    vault: Vault = field(default_factory=Vault, repr=False, compare=False)
    clock: Clock = field(default_factory=SystemClock, repr=False, compare=False)
    _identities: dict[int, Identity] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        participant_id: ParticipantId,
        role: Role,
        title: str,
        address: str = "",
        passphrase: str | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Make a home with new keys, sealed if there is a passphrase.

        address: where its HTTPS service will listen, `https://host:port`, or nothing; see `crypto.certificates`.
        Raises `ProtectionUnavailable` if the directory already holds a home, and `MalformedMessage` for a bad name.
        """
        parse_participant_id(participant_id)
        private_directory(directory)
        with locked(directory / "trust.lock"):
            if (directory / _KEYS).exists():
                raise ProtectionUnavailable(
                    f"{directory} already holds a participant's keys", advice="choose another directory"
                )
            remove_drafts(directory)
            # The keys come last and at once: what a killed process leaves before is no home, and is made again.
            draft = directory / f"{DRAFT_PREFIX}{_KEYS}"
            private_directory(draft)
            home = cls(
                directory,
                participant_id,
                role,
                title,
                vault=Vault.create(draft / "vault", passphrase),
                clock=clock or SystemClock(),
            )
            home._write_first_keys(KeySets(draft), address)
            home._furnish()
            about = {"participant_id": participant_id, "role": role, "title": title}
            private_file(directory / _HOME_FILE, json.dumps(about, ensure_ascii=False).encode())
            draft.rename(directory / _KEYS)
            sync_directory(directory)
        return home

    @classmethod
    def open(cls, directory: Path, *, passphrase: str | None = None, clock: Clock | None = None) -> Self:
        """Return the home in `directory`.

        Raises `ProtectionUnavailable` if it has none that can be read, or the passphrase does not open it.
        """
        try:
            about: dict[str, Any] = json.loads((directory / _HOME_FILE).read_bytes())
            name, role, title = parse_participant_id(about["participant_id"]), Role(about["role"]), str(about["title"])
        except (OSError, ValueError, KeyError, TypeError, MalformedMessage) as fault:
            raise ProtectionUnavailable(
                f"{directory} is no participant's home: {type(fault).__name__}", advice="create it first"
            ) from None
        vault = Vault.open(directory / _KEYS / "vault", passphrase)
        home = cls(directory, name, role, title, vault=vault, clock=clock or SystemClock())
        home.tidy()
        return home

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

    @property
    def certificate_path(self) -> Path:
        """The current TLS certificate (PEM). Both paths of TLS change when a rotation is finished."""
        return self._existing(CERTIFICATE_FILE)

    @property
    def certificate_key_path(self) -> Path:
        """The private key of the current TLS certificate: PKCS#8 PEM, encrypted if `tls_password` is something."""
        return self._existing(TLS_KEY_FILE)

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

    def prepare_rotation(self, parts: Collection[str], *, address: str | None = None, above: int = 0) -> bytes:
        """Make new keys for `parts` (of `rotatable`) and the document that names them; return what to hand over.

        The other parts stay as they are. A new `address` brings a new certificate. The node goes on with its current
        keys until `finish_rotation`. The new serial is higher than every one this home gave, and than `above`: a home
        that was restored from an old copy does not know the last ones. Raises `ProtocolStateError` if keys are being
        prepared already, or `parts` are not ours.
        """
        wanted = set(parts) | ({TLS} if address is not None else set())
        if not wanted or not wanted <= self.rotatable:
            raise ProtocolStateError(
                "these keys cannot be rotated", advice=f"name some of: {', '.join(sorted(self.rotatable))}"
            )
        with self._changing() as state:
            if state.next is not None:
                raise ProtocolStateError("new keys are being prepared already", advice="finish or abort that first")
            serial = max(state.last, above) + 1
            self._sets.write(serial, self._next_files(state, serial, wanted, address))
            self._sets.use(replace(state, last=serial, next=serial))
            handed = self._handed_over(serial)
            private_file(self.next_document_path, handed)
            return handed

    def finish_rotation(self) -> bytes:
        """Use the next keys from now on, keep the previous ones for a day; return the document that is current now.

        Call it when everybody has pinned the next document. Raises `ProtocolStateError` if none was prepared.
        """
        with self._changing() as state:
            if state.next is None:
                raise ProtocolStateError("no new keys are prepared", advice="prepare a rotation first")
            until = int(self.clock.now()) + GRACE_SECONDS
            self._sets.use(
                replace(state, current=state.next, next=None, previous={**state.previous, state.current: until})
            )
            self.next_document_path.unlink(missing_ok=True)
        return self.document()

    def abort_rotation(self) -> None:
        """Give up the next keys. Their serial is never used again.

        Whoever pinned their document goes on with the current one in its time of grace, until it pins the next: by its
        signature alone, unless a new identity was given up. Then it needs the telephone once more.
        """
        with self._changing() as state:
            if state.next is None:
                raise ProtocolStateError("no new keys are prepared", advice="there is nothing to give up")
            self._sets.use(replace(state, next=None))
            self._sets.sweep()
            self.next_document_path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove keys whose time of grace is over, and what interrupted changes left. A node does so now and then."""
        if self._is_untidy():
            with self._changing() as state:
                if state.next is not None:
                    private_file(self.next_document_path, self._handed_over(state.next))

    # What a role adds.

    @property
    def rotatable(self) -> frozenset[str]:
        """The parts of the keys that `prepare_rotation` makes anew."""
        return frozenset({IDENTITY, TLS})

    def _furnish(self) -> None:
        """Make what else belongs into a new home. It may have been interrupted before, and is done again then."""

    def _first_parts(self, address: str) -> tuple[str, ...]:
        """Return the parts that a new home of this role has."""
        return (IDENTITY, *([TLS] if address else []), *([NODE] if self.role is not Role.BUREAU else []))

    def _make(self, part: str, address: str) -> Part:
        """Return new keys of a part."""
        match part:
            case "identity":
                return make_identity()
            case "tls":
                return make_tls(address, now=self.clock.now(), password=self.tls_password())
            case "node":
                return make_node_key()
            case _:
                raise ProtocolStateError("there is no such part of a node's keys")

    # Inner parts.

    @cached_property
    def _sets(self) -> KeySets:
        return KeySets(self.directory / _KEYS)

    @contextmanager
    def _changing(self) -> Iterator[KeyState]:
        """Hold the lock of the home's keys; what does not count any more is gone when the change begins."""
        with locked(self.directory / "trust.lock"):
            state = self._sets.state()
            kept = state.without_expired(self.clock.now())
            if kept != state:
                self._sets.use(kept)
            self._sets.sweep()
            if kept.next is None:
                self.next_document_path.unlink(missing_ok=True)
            yield kept

    def _is_untidy(self) -> bool:
        state = self._sets.state()
        expired = state != state.without_expired(self.clock.now())
        return expired or self._sets.has_unknown() or (state.next is not None) is not self.next_document_path.exists()

    def _write_first_keys(self, sets: KeySets, address: str) -> None:
        parts = [self._make(part, address) for part in self._first_parts(address)]
        says = {key: value for part in parts for key, value in part.says.items()}
        document = ParticipantDocument(participant_id=self.participant_id, role=self.role, title=self.title, **says)
        files = {name: data for part in parts for name, data in part.files.items()}
        identity = Identity.from_private_bytes(files[IDENTITY_FILE])
        sets.write(1, self._sealed(files) | {"document": document.sign(identity)})
        sets.use(KeyState.first())

    def _next_files(self, state: KeyState, serial: int, wanted: set[str], address: str | None) -> dict[str, bytes]:
        old = self._identity(state.current)
        current = ParticipantDocument.verify(self.document(), old.public.fingerprint())
        place = current.address if address is None else address
        if TLS in wanted and not place:
            raise ProtocolStateError("a home without an address has no TLS keys", advice="give an address")
        parts = [self._make(part, place) for part in sorted(wanted)]
        fresh = {name: data for part in parts for name, data in part.files.items()}
        identity = Identity.from_private_bytes(fresh[IDENTITY_FILE]) if IDENTITY in wanted else old
        says = {key: value for part in parts for key, value in part.says.items()}
        handed = HandOver(replace(current, serial=serial, **says).sign(identity))
        if IDENTITY in wanted:
            handed = HandOver.endorsed(handed.document, old)
        kept = {path.name: path.read_bytes() for path in self._sets.folder(state.current).iterdir()}
        kept.pop("endorsement", None)
        files = kept | self._sealed(fresh) | {"document": handed.document}
        return files | ({"endorsement": handed.endorsement} if handed.endorsement else {})

    def _sealed(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        return {
            name: data if name in _IN_THEIR_OWN_FORM else self.vault.seal(name, data) for name, data in files.items()
        }

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
