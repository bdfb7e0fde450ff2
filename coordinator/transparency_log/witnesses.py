"""Has departments cosign the log: who verifies a state of it asks for a majority of those that the bureau has admitted.

    cosign     waits until a majority has cosigned a state with this entry in it
    cosigned   takes what a department's answer to a score request had of it
    (by itself) asks for the newest state every second if something was appended, every half minute if nothing was,
               and writes what a majority has cosigned into the log's directory as `checkpoint` (C2SP tlog-tiles)

One round at a time asks all departments for the newest state; whoever waits for an earlier one is served by it. Each is
shown what it has not seen. A department that is unknown here is shown nothing at first, and says where to begin. Who
does not answer holds up no round but the ones that need it for a majority; a cosignature that is wrong counts for
nothing and is named in the node's log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from coordinator.errors import LogDamaged, LogNotWitnessed
from coordinator.transparency_log.cosignatures import Cosignatures
from coordinator.transparency_log.sequencer import Sequencer, State
from crypto.errors import PeerError, YurongError
from crypto.identifiers import ParticipantId
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.note import Note
from crypto.transparency.receipt import Receipt
from models.hosting.errors import PeerUnreachable, RemoteProblem
from models.hosting.https.peer import Peer
from models.hosting.storage.files import private_file
from models.log.names import Documents
from models.wire.log_view import WitnessReply, WitnessRequest

WITNESS_PATH: Final = "/v1/witness"
CHECKPOINT_FILE: Final = "checkpoint"
DEADLINE_SECONDS: Final = 2.0
ATTEST_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 30.0

_FEW: Final = 256
_PAUSE_SECONDS: Final = 0.02
_log = logging.getLogger("yurong.log")


@dataclass(frozen=True, slots=True)
class Attested:
    """The newest state that a majority has cosigned: its size, and the note with their cosignatures; at first none."""

    size: int = 0
    note: Note | None = None

    def encode(self) -> bytes:
        """The note as it is sent: nothing if there is none."""
        return b"" if self.note is None else self.note.encode()


class Witnesses:
    """The departments as witnesses of one log. An asynchronous context manager, used within one event loop.

    `pinned`: everybody's documents in force. Entering asks all once, and raises `LogDamaged` if one has seen more than
    the log has: to go on from an older copy of it would be a fork.
    """

    def __init__(
        self,
        sequencer: Sequencer,
        peer: Callable[[ParticipantId], Peer],
        pinned: Callable[[], Documents],
        directory: Path,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        attest_seconds: float = ATTEST_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sequencer, self._peer = sequencer, peer
        self._path = directory / CHECKPOINT_FILE
        self._deadline_seconds, self._attest_seconds = deadline_seconds, attest_seconds
        self._idle_seconds, self._monotonic = idle_seconds, monotonic
        self._known: dict[ParticipantId, int] = {}
        self._ahead: dict[ParticipantId, int] = {}
        self._said: dict[ParticipantId, str] = {}
        self._under_way: dict[ParticipantId, asyncio.Task[None]] = {}
        self._round: asyncio.Task[None] | None = None
        self._collected = Cosignatures(pinned)
        self._attested = self._published = Attested()
        self._attesting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._attested = self._published = await asyncio.to_thread(self._read)
        try:
            await self._require_newest()
        except BaseException:
            await self._end()
            raise
        self._sequencer.release()
        self._attesting = asyncio.create_task(self._attest())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()
        await self._publish()

    async def _end(self) -> None:
        tasks = [one for one in (self._attesting, self._round, *self._under_way.values()) if one is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def attested(self) -> Attested:
        """The newest state that a majority has cosigned."""
        return self._attested

    def known_size(self, department: ParticipantId) -> int:
        """How much of the log a department has seen; all, of one that has not said: it will say where to begin."""
        return self._known.get(department, self._sequencer.state.size)

    def heard(self, department: ParticipantId, size: int) -> None:
        """A department has shown that it has seen so much of the log at least."""
        self._known[department] = max(size, self._known.get(department, 0))

    def behind(self, department: ParticipantId) -> None:
        """A department has not seen what it was thought to have: it is asked where to begin, at once."""
        self._known.pop(department, None)
        if department not in self._under_way:
            self._begin(department, self._sequencer.state)

    def cosigned(self, department: ParticipantId, checkpoint: bytes, cosignature: bytes) -> None:
        """A department has cosigned a checkpoint of this log: time, 8 bytes, and 64 bytes. A wrong one is dropped."""
        try:
            note = Note.decode(checkpoint)
            size = Checkpoint.decode(note.text).size
            self._collected.take(department, note, cosignature)
        except PeerError as fault:
            self._say(department, f"its cosignature of the log is wrong ({type(fault).__name__})")
            return
        self._said.pop(department, None)
        self.heard(department, size)
        if size >= self._attested.size and self._collected.is_enough(note):
            self._attested = Attested(size, self._collected.on(note))

    def with_cosignatures(self, checkpoint: bytes) -> Note:
        """A checkpoint of this log under the cosignatures that there are so far."""
        return self._collected.on(Note.decode(checkpoint))

    async def cosign(self, size: int) -> Attested:
        """A state of at least so many entries that a majority has cosigned; raises `LogNotWitnessed` after a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadline_seconds):
                while self._attested.size < size:
                    await self._one_round()
        if self._attested.size < size:
            raise LogNotWitnessed(
                "too few departments have cosigned the log in time",
                advice="See which departments are up; more than half of all that are admitted are needed.",
            )
        return self._attested

    async def receipt(self, index: int, size: int) -> bytes:
        """The receipt (`.tlog-proof`) of an entry of the log's first `size`, cosigned by a majority; as `cosign`."""
        attested = await self.cosign(size)
        if attested.note is None:
            raise LogNotWitnessed("no department has cosigned the log")
        path = self._sequencer.inclusion(index, attested.size)
        return Receipt(index=index, path=path, note=attested.note).encode()

    async def _require_newest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._deadline_seconds):
                await self._ask_all(self._sequencer.state, again=True)
        for name, size in sorted(self._ahead.items()):
            raise LogDamaged(
                f"{name} has seen {size} entries of the log, and it has {self._sequencer.state.size}",
                advice=f"Restore the newest backup: this one is older. If {name} alone says so, ask it, or remove it.",
            )

    async def _one_round(self) -> None:
        """Wait for the round that is under way, or begin one. Whoever goes away does not end it for the others."""
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._ask_all(self._sequencer.state))
        await asyncio.shield(self._round)

    async def _ask_all(self, state: State, *, again: bool = False) -> None:
        """Ask all departments for this state until a majority has cosigned it; `again`: until all have said something.

        Who is busy with an earlier state is asked afterwards.
        """
        asked: set[ParticipantId] = set()
        while again or self._attested.size < state.size:
            departments = self._collected.departments()
            for name in departments - asked - self._under_way.keys():
                asked.add(name)
                self._begin(name, state)
            if not self._under_way:
                break
            await asyncio.wait(tuple(self._under_way.values()), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # what has ended leaves
        if self._attested.size < state.size:
            await asyncio.sleep(_PAUSE_SECONDS)

    def _begin(self, name: ParticipantId, state: State) -> None:
        """Ask a department; nobody has to wait for it."""
        task = self._under_way[name] = asyncio.create_task(self._ask(name, state))
        task.add_done_callback(lambda _: self._under_way.pop(name, None))

    async def _ask(self, name: ParticipantId, state: State) -> None:
        """Show a department what it has not seen up to a state, and take its cosignature."""
        try:
            in_vain = 0
            while in_vain < 2:
                start = min(self.known_size(name), state.size)
                seen = await self._show(name, start, state)
                if seen >= state.size:
                    return
                in_vain += seen <= start
            self._say(name, "it does not go on from where it says that it is in the log")
        except PeerUnreachable:
            self._say(name, "it does not answer")
        except RemoteProblem as fault:
            self._say(name, f"it refuses: {fault.problem.slug}")
        except YurongError as fault:
            self._say(name, f"its answer is none ({type(fault).__name__})")
        except Exception as error:  # noqa: BLE001 - whatever it was, the others are asked, and this one the next time
            _log.error("a witness cannot be asked", extra={"participant": name, "error": error})

    async def _show(self, name: ParticipantId, start: int, state: State) -> int:
        """Show a department the log from `start` on; how much it has seen then."""
        show = self._sequencer.extension
        if state.size - start <= _FEW:
            extension = show(start, state.size, state.note)
        else:
            extension = await asyncio.to_thread(show, start, state.size, state.note)
        request = WitnessRequest(extension=extension, attested=self._attested.encode())
        data = await self._peer(name).post(
            WITNESS_PATH,
            request.encode(),
            maximum_bytes=WitnessReply.MAXIMUM_BYTES,
            timeout_seconds=self._deadline_seconds,
        )
        reply = WitnessReply.decode(data)
        if reply.size > self._sequencer.state.size:
            self._ahead[name] = reply.size
            self._say(name, "it has seen more of the log than there is: was the database rolled back?")
            return reply.size
        self._known[name] = reply.size  # less than before, if it was restored from a backup
        if reply.cosignature:
            self.cosigned(name, extension.checkpoint, reply.cosignature)
        return reply.size

    async def _attest(self) -> None:
        """Have the newest state cosigned, as long as this runs."""
        asked_at = float("-inf")
        while True:
            idle = self._monotonic() - asked_at >= self._idle_seconds
            if idle or self._attested.size < self._sequencer.state.size:
                asked_at = self._monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._deadline_seconds):
                        await (self._ask_all(self._sequencer.state, again=True) if idle else self._one_round())
                await self._publish()
            await asyncio.sleep(self._attest_seconds)

    async def _publish(self) -> None:
        """Have the newest state that a majority has cosigned on the disk, for all who read the log there."""
        attested = self._attested
        if attested == self._published:
            return
        try:
            await asyncio.to_thread(private_file, self._path, attested.encode())
        except OSError as error:
            _log.error("the log's checkpoint cannot be written", extra={"error": error})
            return
        self._published = attested

    def _read(self) -> Attested:
        """What was published before; raises `LogDamaged` if it is of a longer log."""
        try:
            note = Note.decode(self._path.read_bytes())
            size = Checkpoint.decode(note.text).size
        except (FileNotFoundError, PeerError):
            return Attested()
        if size > self._sequencer.state.size:
            raise LogDamaged(
                f"departments have cosigned {size} entries of the log, and it has {self._sequencer.state.size}",
                advice="The database is older than the log's directory: restore the newest backup of both.",
            )
        return Attested(size, note)

    def _say(self, department: ParticipantId, what: str) -> None:
        """Say what is the matter with a witness, once as long as it stays the same."""
        if self._said.get(department) != what:
            self._said[department] = what
            _log.warning("a witness of the log: %s", what, extra={"participant": department})
