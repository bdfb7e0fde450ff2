"""A bureau that is killed (-9) while it appends: what it said is in the log is there, with all that belongs to it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from coordinator.database import SCHEMA
from coordinator.transparency_log import places
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from crypto.identity import Identity
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import signed_checkpoint
from crypto.transparency.frontier import Frontier
from models.hosting.storage.database import Database
from models.wire.log_entry import EntryKind, LogEntry

ORIGIN = "yurong.log/bureau"
APPENDS = """
import asyncio, sys
from pathlib import Path
from coordinator.database import SCHEMA
from coordinator.transparency_log import log as log_module
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from coordinator.transparency_log.logged import Logged
from coordinator.transparency_log.sequencer import Sequencer
from crypto.identity import Identity
from models.hosting.storage.database import Database
from models.wire.log_entry import EntryKind, LogEntry

log_module.SETTLE_EVERY = 16
directory, database = Path(sys.argv[1]), Database(sys.argv[2], SCHEMA)
identity = Identity.from_private_bytes(bytes.fromhex(sys.argv[3]))
signer = LogSigner.named("yurong.log/bureau", identity.public.signing_key, identity.sign_text)

def logged(number):
    digest = number.to_bytes(32, "big")
    return Logged(LogEntry(kind=EntryKind.REQUEST, digest=digest, tag=bytes(16)), digest)

async def main():
    async with Sequencer(lambda: TransparencyLog(directory, database, signer), database) as sequencer:
        start = sequencer.state.size
        print("begins", flush=True)
        for number in range(start, start + 100_000, 3):
            placed = await sequencer.append([logged(number + more) for more in range(3)])
            print(placed.indices[-1] + 1, flush=True)

asyncio.run(main())
"""


def test_what_it_said_is_there_and_the_log_goes_on(database_url: str, tmp_path: Path) -> None:
    identity, rng = Identity.generate(), random.Random(9)
    signer = LogSigner.named(ORIGIN, identity.public.signing_key, identity.sign_text)
    database = Database(database_url, SCHEMA)
    database.migrate()
    TransparencyLog.create(tmp_path / "log", database, signer).close()
    said = 0
    for _ in range(5):
        command = [sys.executable, "-c", APPENDS, str(tmp_path / "log"), database_url]
        program = subprocess.Popen(
            [*command, identity.to_private_bytes().hex()], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
        )
        assert program.stdout is not None
        assert program.stdout.readline() == b"begins\n"
        time.sleep(rng.uniform(0.02, 0.4))
        program.send_signal(signal.SIGKILL)
        lines = [line for line in program.communicate()[0].split(b"\n") if line]
        said = max([said, *map(int, lines[:-1])])
        time.sleep(0.2)  # a database server may end a transaction that it was told to commit
        log = TransparencyLog(tmp_path / "log", database, signer)
        assert log.size >= said
        assert log.size % 3 == 0
        entries = log.entries(0, log.size)
        assert [LogEntry.decode(one).digest for one in entries] == [n.to_bytes(32, "big") for n in range(log.size)]
        frontier = Frontier()
        frontier.extend(map(leaf_digest, entries))
        assert signed_checkpoint(log.note, (signer.key,)).root == frontier.root()
        with database.reading() as connection:
            documents = places.documents(connection, {EntryKind.REQUEST})
            assert list(documents) == list(range(log.size))
            for index in range(max(0, log.size - 5), log.size):
                place = places.find_request(connection, index.to_bytes(32, "big"))
                assert place is not None
                assert (place.index, place.size) == (index, index // 3 * 3 + 3)
    assert said > 30
    database.close()
