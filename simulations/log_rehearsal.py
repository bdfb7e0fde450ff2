"""A log with departments that witness it in one process and without a network: what is wrong with them is a choice.

Departments here see, cosign and keep what they are sent as real ones do, but verify nothing of it beyond the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

from coordinator.consents import CONSENTS_PATH
from coordinator.database import SCHEMA
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from coordinator.transparency_log.sequencer import Sequencer
from coordinator.transparency_log.witnesses import WITNESS_PATH, Witnesses
from crypto.errors import ProtocolStateError
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import signed_checkpoint
from crypto.transparency.cosignature import cosign
from crypto.transparency.frontier import Frontier
from crypto.transparency.note import KeyUse, Note, NoteKey
from models.hosting.errors import PeerUnreachable, RemoteProblem
from models.hosting.https import problems
from models.hosting.https.peer import Peer
from models.hosting.https.problems import Problem
from models.hosting.storage.database import Database
from models.log.names import Documents, origin_of, witness_name
from models.wire.deposit import Kept, SealedConsent
from models.wire.log_view import WitnessReply, WitnessRequest

BUREAU: Final = ParticipantId("bureau")
DEPARTMENTS: Final = tuple(map(ParticipantId, ("courts", "customs", "tax", "water", "works")))
NOW: Final = 1_800_000_000


class RehearsedWitness:
    """A department. `fault`: what is the matter with it, if anything. `shown`: each extension's start and length."""

    def __init__(self, name: ParticipantId, log_key: NoteKey) -> None:
        self.name, self.identity = name, Identity.generate()
        self.fault = ""
        self.hanging = asyncio.Event()
        self.seen = Frontier()
        self.shown: list[tuple[int, int]] = []
        self.attested = b""
        self.consents: list[SealedConsent] = []
        self._log_key = log_key

    @property
    def document(self) -> ParticipantDocument:
        """What the bureau has pinned of it."""
        return ParticipantDocument(
            participant_id=self.name, role=Role.DEPARTMENT, title=self.name, identity=self.identity.public
        )

    async def post(self, path: str, body: bytes, *, maximum_bytes: int, timeout_seconds: float) -> bytes:
        """As `models.hosting.https.peer.Peer`."""
        if self.fault == "hangs":
            try:
                async with asyncio.timeout(timeout_seconds):
                    await self.hanging.wait()
            except TimeoutError:
                raise PeerUnreachable(self.name, "no answer in time", sent=True) from None
        if self.fault == "is down":
            raise PeerUnreachable(self.name, "not connected", sent=False)
        if self.fault == "refuses":
            raise RemoteProblem(Problem(kind=problems.NOT_FOUND))
        reply = b"no reply" if self.fault == "babbles" else self._answer(path, body)
        if len(reply) > maximum_bytes:
            raise ProtocolStateError("a department's reply is longer than any should be")
        return reply

    def cosignature(self, note: Note, identity: Identity | None = None) -> bytes:
        """Its cosignature of a checkpoint: time and signature."""
        identity = identity or self.identity
        key = NoteKey(witness_name(self.name), KeyUse.COSIGNATURE, identity.public.signing_key)
        return cosign(note.text, key, identity.sign_text, at=NOW).data

    def _answer(self, path: str, body: bytes) -> bytes:
        if path == WITNESS_PATH:
            return self._see(WitnessRequest.decode(body)).encode()
        if path == CONSENTS_PATH:
            self.consents.append(SealedConsent.decode(body))
            return Kept().encode()
        raise ProtocolStateError("a department is asked for what it does not know")

    def _see(self, request: WitnessRequest) -> WitnessReply:
        extension, self.attested = request.extension, request.attested
        self.shown.append((extension.start, len(extension.entries)))
        note = Note.decode(extension.checkpoint)
        checkpoint = signed_checkpoint(note, (self._log_key,))
        if self.fault == "is ahead":
            return WitnessReply(size=1 << 30, cosignature=b"")
        if self.fault == "is stuck":
            return WitnessReply(size=0, cosignature=b"")
        if extension.start > self.seen.size or checkpoint.size < self.seen.size:
            return WitnessReply(size=self.seen.size, cosignature=b"")
        self.seen.extend(map(leaf_digest, extension.entries[self.seen.size - extension.start :]))
        if (self.seen.size, self.seen.root()) != (checkpoint.size, checkpoint.root):
            raise ProtocolStateError("the log is not what it was")
        line = self.cosignature(note, Identity.generate() if self.fault == "lies" else None)
        return WitnessReply(size=self.seen.size, cosignature=line)


class LogRehearsal:
    """A log below `directory`, and its witnesses. `pinned`: those that the bureau has admitted."""

    def __init__(self, directory: Path, *, departments: tuple[ParticipantId, ...] = DEPARTMENTS) -> None:
        identity = Identity.generate()
        self.signer = LogSigner.named(origin_of(BUREAU), identity.public.signing_key, identity.sign_text)
        self.directory = directory / "log"
        self.database = Database(f"sqlite:///{directory / 'node.sqlite'}", SCHEMA)
        self.database.migrate()
        self.departments = {name: RehearsedWitness(name, self.signer.key) for name in departments}
        self.pinned: Documents = {name: (one.document,) for name, one in self.departments.items()}
        TransparencyLog.create(self.directory, self.database, self.signer)

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[tuple[Sequencer, Witnesses]]:
        """The log, served. `options`: of `Witnesses`."""
        options = {"attest_seconds": 60.0} | options
        async with Sequencer(self._opened, self.database, drain_seconds=0.01, held=True) as sequencer:
            witnesses = Witnesses(sequencer, self.peer, lambda: self.pinned, self.directory, **options)
            async with witnesses:
                yield sequencer, witnesses

    def peer(self, name: ParticipantId) -> Peer:
        """A department as the bureau calls it."""
        return cast(Peer, self.departments[name])

    def fail(self, fault: str, *names: ParticipantId) -> None:
        """Let this be the matter with these departments from now on; nothing, if it is empty."""
        for name in names:
            self.departments[name].fault = fault
            if fault != "hangs":
                self.departments[name].hanging.set()

    def _opened(self) -> TransparencyLog:
        return TransparencyLog(self.directory, self.database, self.signer)
