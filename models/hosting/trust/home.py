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

After `finish` the previous private keys stay usable for a day, for what was sent before. Then nothing uses them, and
whoever opens the home next removes them, or a server that has it open (`Entrance.context`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from crypto.errors import MalformedMessage, ProtectionUnavailable, ProtocolStateError
from crypto.identifiers import ParticipantId, Role, parse_participant_id
from crypto.identity import Identity, ParticipantDocument
from crypto.succession import HandOver
from models.hosting.clock import Clock, SystemClock
from models.hosting.storage.files import (
    DRAFT_PREFIX,
    home_directory,
    locked,
    private_directory,
    private_file,
    remove_drafts,
    sync_directory,
)
from models.hosting.trust.kept_keys import KEYS_FOLDER, KeptKeys
from models.hosting.trust.key_parts import (
    CERTIFICATE_FILE,
    IDENTITY,
    IDENTITY_FILE,
    NODE,
    TLS,
    TLS_KEY_FILE,
    Part,
    make_identity,
    make_node_key,
    make_tls,
)
from models.hosting.trust.key_sets import KeySets, KeyState
from models.hosting.trust.passphrase import Vault

GRACE_SECONDS: Final = 24 * 3600
"""How long the previous private keys stay usable after a rotation was finished."""

_HOME_FILE: Final = "home.json"
# The TLS key brings its own encryption, which the TLS library reads.
_IN_THEIR_OWN_FORM: Final = frozenset({CERTIFICATE_FILE, TLS_KEY_FILE})


@dataclass(frozen=True)
class NodeHome(KeptKeys):
    """An existing home. Make a new one with `create`."""

    @staticmethod
    def exists(directory: Path) -> bool:
        """Whether there is a home in `directory`. What an interrupted `create` leaves is none, and is made again."""
        return (directory / KEYS_FOLDER).exists()

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
        home_directory(directory)
        with locked(directory / "trust.lock"):
            cls.require_none(directory)
            remove_drafts(directory)
            # The keys come last and at once: what a killed process leaves before is no home, and is made again.
            draft = directory / f"{DRAFT_PREFIX}{KEYS_FOLDER}"
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
            draft.rename(directory / KEYS_FOLDER)
            sync_directory(directory)
        return home

    @classmethod
    def require_none(cls, directory: Path) -> None:
        """Raise `ProtectionUnavailable` if there is a home in `directory`, before anything is written over."""
        if cls.exists(directory):
            raise ProtectionUnavailable(
                f"{directory} already holds a participant's keys", advice="choose another directory"
            )

    @classmethod
    def open(cls, directory: Path, *, passphrase: str | None = None, clock: Clock | None = None) -> Self:
        """Return the home in `directory`.

        Raises `ProtectionUnavailable` if it has none that can be read, or the passphrase does not open it.
        """
        try:
            about: dict[str, Any] = json.loads((directory / _HOME_FILE).read_bytes())
            name, role, title = parse_participant_id(about["participant_id"]), Role(about["role"]), str(about["title"])
            if not cls.exists(directory):
                raise FileNotFoundError
        except (OSError, ValueError, KeyError, TypeError, MalformedMessage):
            raise ProtectionUnavailable(
                f"{directory} is no node's home", advice="name it with --home or YURONG_HOME; `init` makes one"
            ) from None
        vault = Vault.open(directory / KEYS_FOLDER / "vault", passphrase)
        home = cls(directory, name, role, title, vault=vault, clock=clock or SystemClock())
        home.tidy()
        return home

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
        """Remove keys whose time of grace is over, and what interrupted changes left. Writes to the disk."""
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
