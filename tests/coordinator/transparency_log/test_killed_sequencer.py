"""A bureau that is killed (-9) while it appends: the log goes on from what was told, with every document, unforked."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.database import SCHEMA
from coordinator.transparency_log import places
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import signed_checkpoint
from crypto.transparency.frontier import Frontier
from crypto.transparency.note import Note
from crypto.transparency.witness import grown
from models.hosting.storage.database import Database
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry
from models.wire.logged import entry_of

ORIGIN = "yurong.log/bureau"
ROUNDS = 5
APPENDS = """
import asyncio, itertools, sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from coordinator.database import SCHEMA
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.sequencer import Sequencer
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from models.hosting.storage.database import Database
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.permission import Action, Permission, Subject

directory, turn = Path(sys.argv[1]), int(sys.argv[2])
private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(sys.argv[3]))
signer = LogSigner.named("yurong.log/bureau", private.public_key().public_bytes_raw(), private.sign)
database = Database(f"sqlite:///{directory / 'node.sqlite'}", SCHEMA)
bureau = Identity.generate()


def both(number):
    name = ParticipantId(f"d-{turn}-{number}")
    subject = Subject(action=Action.REGISTER_PASSKEYS, grantor=ParticipantId("bureau"), grantee=name)
    document = Permission(subject=subject, granted=True, at=number).sign(bureau)
    digest = turn.to_bytes(16, "big") + number.to_bytes(16, "big")
    request = LogEntry(kind=EntryKind.REQUEST, digest=digest, tag=bytes(16))
    return [Logged.of(EntryKind.PERMISSION, document), Logged(request, b"request")]


async def one(sequencer, numbers):
    for number in numbers:
        placed = await sequencer.append(both(number))
        print(placed.size, *placed.indices, placed.note.hex(), flush=True)


async def main():
    async with Sequencer(lambda: TransparencyLog(directory / "log", database, signer), database) as sequencer:
        await asyncio.gather(*(one(sequencer, itertools.count(start, 8)) for start in range(8)))


asyncio.run(main())
"""


def test_a_bureau_that_is_killed_again_and_again_has_one_log_with_all_that_it_told(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    signer = LogSigner.named(ORIGIN, private.public_key().public_bytes_raw(), private.sign)
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}", SCHEMA)
    database.migrate()
    TransparencyLog.create(tmp_path / "log", database, signer).close()
    witness, rng = Frontier(), random.Random(5)
    for turn in range(ROUNDS):
        told = killed_after(tmp_path, turn, private, lines=rng.randrange(1, 60))
        log = TransparencyLog(tmp_path / "log", database, signer)
        head = signed_checkpoint(log.note, (signer.key,))
        entries = log.entries(0, log.size)
        assert len(entries) == head.size == log.size
        # A witness that saw the log before it was killed goes on; every state that was told is a beginning of it.
        witness = grown(witness, head, witness.size, [leaf_digest(data) for data in entries[witness.size :]]).frontier
        for size, first, second, note in told:
            state = Frontier()
            state.extend(leaf_digest(data) for data in entries[:size])
            assert signed_checkpoint(note, (signer.key,)).root == state.root()
            kinds = [LogEntry.decode(entries[index]).kind for index in (first, second)]
            assert kinds == [EntryKind.PERMISSION, EntryKind.REQUEST]
        with database.reading() as connection:
            documents = places.documents(connection, PUBLIC)
        public = {index: data for index, data in enumerate(entries) if LogEntry.decode(data).kind in PUBLIC}
        assert {index: entry_of(EntryKind.PERMISSION, one).encode() for index, one in documents.items()} == public
        log.close()
    assert witness.size >= 2 * ROUNDS


def killed_after(
    directory: Path, turn: int, private: Ed25519PrivateKey, *, lines: int
) -> list[tuple[int, int, int, Note]]:
    """What a process that appends has told when it is killed: sizes, places and checkpoints."""
    command = [sys.executable, "-c", APPENDS, str(directory), str(turn), private.private_bytes_raw().hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        read = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        read += process.stdout.readlines()
        assert process.wait() == -signal.SIGKILL
    told = [line.split() for line in read if line.endswith(b"\n")]
    return [
        (int(size), int(first), int(second), Note.decode(bytes.fromhex(note.decode())))
        for size, first, second, note in told
    ]
