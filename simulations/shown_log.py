"""A log in memory as one department is shown it, for tests of what the department makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from models.hosting.clock import Clock
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry
from models.wire.log_view import LogExtension
from models.wire.logged import entry_of
from participants.home import Home
from simulations.witnessed_log import BUREAU, WitnessedLog

ME: Final = ParticipantId("tax")
DEPARTMENTS: Final = tuple(map(ParticipantId, ("courts", "customs", "tax", "water")))


class ShownLog(WitnessedLog):
    """The log, and the home of the department that sees it, which has pinned the bureau and all departments."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        super().__init__(DEPARTMENTS)
        made = Home.create(directory, participant_id=ME, role=Role.DEPARTMENT, title=ME)
        self.home = Home.open(made.directory, clock=clock)
        self.identities[ME] = self.home.identity()
        for name in (BUREAU, *DEPARTMENTS):
            if name != ME:
                self._pin(name)

    def publish_document(self, kind: EntryKind, document: bytes) -> int:
        """The place of a new entry of a public kind."""
        return self.append(entry_of(kind, document), document)

    def answer(self, number: int = 0) -> int:
        """The place of a new entry that says nothing to anybody."""
        return self.append(LogEntry(kind=EntryKind.ANSWER, digest=number.to_bytes(32, "big")))

    def extension(self, start: int = 0) -> LogExtension:
        """The log as it is, from `start` on."""
        shown = range(start, len(self.entries))
        return LogExtension(
            start=start,
            entries=tuple(self.entries[index].encode() for index in shown),
            documents=tuple(self.documents[index] for index in shown if self.entries[index].kind in PUBLIC),
            checkpoint=self.note(()).encode(),
        )

    def cosigned(self, names: Sequence[ParticipantId] | None = None) -> bytes:
        """The log as it is under the cosignatures of these departments (all)."""
        return self.note(names).encode()

    def _pin(self, name: ParticipantId) -> None:
        identity = self.bureau if name == BUREAU else self.identities[name]
        role = Role.BUREAU if name == BUREAU else Role.DEPARTMENT
        self.home.pins.pin(_document(name, role, identity), fingerprint=identity.public.fingerprint())


def _document(name: ParticipantId, role: Role, identity: Identity) -> bytes:
    named = ParticipantDocument(participant_id=name, role=role, title=name, identity=identity.public)
    return named.sign(identity)
