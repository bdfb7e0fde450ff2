"""The bureau's log for simulations within one process: the log itself, without the sequencer, network and waiting.

What departments are shown, what they cosign and what they refuse goes through the same code as between nodes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from coordinator.database import open_database
from coordinator.home import BureauHome
from coordinator.transparency_log import places
from coordinator.transparency_log.batch import Asked, Batch, Placed
from coordinator.transparency_log.bureau_log import create_log, log_directory, open_log
from coordinator.transparency_log.cosignatures import Cosignatures
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.score_proofs import Proven, answer_entry
from crypto.errors import PeerError, SignatureInvalid
from crypto.identifiers import ModelVersion, ParticipantId
from crypto.passkeys import RelyingParty
from crypto.transparency.note import Note
from crypto.transparency.receipt import Receipt
from models.hosting.clock import Clock
from models.hosting.errors import RequestRefused
from models.hosting.https import problems
from models.wire.consent import Purpose
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry
from models.wire.log_view import LogExtension
from models.wire.model_approval import ModelApproval
from models.wire.permission import Action, Permission, Subject
from models.wire.refusal import Refusal
from models.wire.score_statement import request_digest
from participants.department.evidence import Evidence
from simulations.founding import BUREAU

PAGES: Final = RelyingParty(relying_party_id="localhost", origins=("http://localhost",))
"""What nodes have in their settings if nothing else is set."""

EVIDENCE: Final = partial(Evidence.of, bureau=BUREAU, relying_party=PAGES)
"""What a department of a simulation holds requests against."""

PURPOSES: Final = (Purpose.PRE_QUALIFICATION, Purpose.APPLICATION, Purpose.MONITORING)


class LocalLog:
    """One bureau's log. It is also what the two gateways want of a log."""

    def __init__(self, home: BureauHome, *, clock: Clock | None = None) -> None:
        self._home, self._clock = home, clock or home.clock
        self._database = open_database(home)
        self._log = open_log(home, self._database) if log_directory(home).exists() else create_log(home, self._database)
        self._known: dict[ParticipantId, int] = {}
        self._cosignatures = Cosignatures(home.pins.documents)
        self._placed: dict[LogEntry, Proven] = {}
        self.append([])

    @classmethod
    def of(cls, directory: Path, *, clock: Clock | None = None) -> Self:
        """The log of the bureau whose home is in `directory`."""
        return cls(BureauHome.open(directory, clock=clock), clock=clock)

    @property
    def home(self) -> BureauHome:
        """The bureau's home."""
        return self._home

    @property
    def head(self) -> Note:
        """The newest checkpoint."""
        return self._log.note

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self._log.size

    def append(self, entries: Sequence[Logged]) -> Placed | None:
        """Append entries behind what waits for it; where they are, if there are any."""
        batch = Batch([Asked(tuple(entries))] if entries else [], self._now())
        self._log.append_batch(batch)
        return batch.place_of(entries) if entries else None

    def approve(
        self, version: ModelVersion, banks: Iterable[ParticipantId], *, registrars: Iterable[ParticipantId]
    ) -> None:
        """Have the model approved, these banks permitted to ask by it, and these departments to register passkeys."""
        bureau, identity, now = self._home.participant_id, self._home.identity(), self._now()
        approval = ModelApproval(bureau=bureau, model_version=version, approved=True, at=now)
        subjects = [
            Subject(action=Action.REQUEST_SCORES, grantor=bureau, grantee=bank, model=version, purpose=purpose)
            for bank in banks
            for purpose in PURPOSES
        ]
        subjects += [Subject(action=Action.REGISTER_PASSKEYS, grantor=bureau, grantee=name) for name in registrars]
        documents = [Permission(subject=one, granted=True, at=now).sign(identity) for one in subjects]
        self.append(
            [
                Logged.of(EntryKind.MODEL_APPROVED, approval.sign(identity)),
                *(Logged.of(EntryKind.PERMISSION, document) for document in documents),
            ]
        )

    def say(self, subject: Subject, *, granted: bool) -> None:
        """Have the bureau give or withdraw a permission."""
        document = Permission(subject=subject, granted=granted, at=self._now()).sign(self._home.identity())
        self.append([Logged.of(EntryKind.PERMISSION, document)])

    def place_now(self, document: bytes, tag: bytes) -> Proven:
        """Where a request is in the log; the same for the same bytes."""
        entry = LogEntry(kind=EntryKind.REQUEST, digest=request_digest(document), tag=tag)
        if entry not in self._placed:
            placed = self.append([Logged(entry, document)])
            if placed is None:
                raise PeerError("nothing was appended")
            path = self._log.reader(placed.size).inclusion(placed.index)
            self._placed[entry] = Proven(index=placed.index, size=placed.size, note=placed.note, path=path)
        return self._placed[entry]

    def shown(self, document: bytes, tag: bytes) -> dict[str, Any]:
        """What a `RelayedRequest` says of the log to a department that has seen nothing of it."""
        proven = self.place_now(document, tag)
        extension = self.extension(0, proven.size, proven.note)
        return {"extension": extension, "index": proven.index, "inclusion": b"".join(proven.path)}

    async def place(self, document: bytes, tag: bytes, members: Collection[ParticipantId]) -> Proven:  # noqa: ARG002
        """The same, for a gateway that waits."""
        return self.place_now(document, tag)

    async def receipt(self, request: bytes) -> bytes:
        """The receipt of a request, under the cosignatures that there are."""
        proven = next((one for entry, one in self._placed.items() if entry.digest == request), None)
        if proven is None:
            raise RequestRefused(problems.NOT_FOUND, "no such request is known")
        return Receipt(index=proven.index, path=proven.path, note=self.note(proven)).encode()

    def behind(self, department: ParticipantId) -> None:
        """A department has not seen what it was thought to have."""
        self._known.pop(department, None)

    def extension(self, start: int, size: int, note: bytes) -> LogExtension:
        """What the log of `size` entries has from `start` on."""
        start = min(start, size)
        with self._database.reading() as connection:
            documents = places.documents(connection, PUBLIC, start=start, end=size)
        return LogExtension(
            start=start,
            entries=tuple(self._log.entries(start, size)),
            documents=tuple(documents.values()),
            checkpoint=note,
        )

    def newest(self, start: int = 0) -> LogExtension:
        """The log as it is, from `start` on."""
        return self.extension(start, self.size, self.head.encode())

    def extension_for(self, department: ParticipantId, proven: Proven) -> LogExtension:
        """What this department has not seen of the log up to a request."""
        return self.extension(self._known.get(department, 0), proven.size, proven.note)

    def cosigned(self, department: ParticipantId, proven: Proven, cosignature: bytes) -> None:
        """A department has seen the log up to a request, and has cosigned it, or nothing. A wrong one is dropped."""
        self._known[department] = max(proven.size, self._known.get(department, 0))
        if cosignature:
            with suppress(SignatureInvalid):
                self._cosignatures.take(department, Note.decode(proven.note), cosignature)

    def note(self, proven: Proven) -> Note:
        """The checkpoint under the cosignatures that there are."""
        return self._cosignatures.on(Note.decode(proven.note))

    def answered(self, request: bytes, ciphertext: bytes) -> None:
        """A request, by its digest, came to this answer."""
        self.append([Logged(answer_entry(request, hashlib.sha256(ciphertext).digest()))])

    def refused(self, request: bytes, department: ParticipantId, problem_slug: str) -> None:
        """A department refused a request, by its digest."""
        refusal = Refusal(
            bureau=self._home.participant_id,
            department=department,
            problem=problem_slug,
            request=request,
            at=self._now(),
        )
        document = refusal.sign(self._home.identity())
        self.append([Logged(Refusal.entry(document), document)])

    def path_of(self, index: int) -> tuple[bytes, ...]:
        """The path of an entry to the root of the log as it is."""
        return self._log.reader().inclusion(index)

    def entries(self, kind: EntryKind) -> list[LogEntry]:
        """All entries of a kind, in their order."""
        found = map(LogEntry.decode, self._log.entries(0, self.size))
        return [entry for entry in found if entry.kind is kind]

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def _now(self) -> int:
        return int(self._clock.now())
