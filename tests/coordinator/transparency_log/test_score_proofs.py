"""A request's place in the log: the same for the same bytes, and proven to whoever has seen less of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from coordinator.database import SCHEMA
from coordinator.transparency_log import places
from coordinator.transparency_log.log import LogSigner, TransparencyLog
from coordinator.transparency_log.score_proofs import ScoreProofs, answer_entry
from coordinator.transparency_log.sequencer import Sequencer
from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId
from crypto.identity import Identity
from crypto.merkle import leaf_digest, root_of_path
from crypto.transparency.checkpoint import signed_checkpoint
from crypto.transparency.errors import TooFewWitnesses
from crypto.transparency.note import Note
from crypto.transparency.receipt import Receipt, TrustedLog
from models.hosting.storage.database import Database
from models.log.names import origin_of
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.refusal import Refusal
from models.wire.score_statement import request_digest
from simulations.online_rehearsal import SetClock

BUREAU, TAX = ParticipantId("bureau"), ParticipantId("tax")
IDENTITY = Identity.generate()
SIGNER = LogSigner.named(origin_of(BUREAU), IDENTITY.public.signing_key, IDENTITY.sign_text)
DOCUMENT, TAG = b"a bank's signed statement", bytes(range(16))


class Bureau:
    """The way of scores to a log. `seen`: what each department has."""

    def __init__(self, directory: Path, database: Database) -> None:
        self._directory, self._database = directory, database
        self.seen: dict[ParticipantId, int] = {}
        TransparencyLog.create(directory, database, SIGNER)

    def sequencer(self) -> Sequencer:
        return Sequencer(
            lambda: TransparencyLog(self._directory, self._database, SIGNER), self._database, drain_seconds=0.01
        )

    def proofs(self, sequencer: Sequencer) -> ScoreProofs:
        return ScoreProofs(
            sequencer,
            lambda name: self.seen.get(name, 0),
            bureau=BUREAU,
            identity=lambda: IDENTITY,
            clock=SetClock(1_800_000_000),
        )


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, SCHEMA)
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def bureau(tmp_path: Path, database: Database) -> Bureau:
    return Bureau(tmp_path / "log", database)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


async def until(found: Callable[[], bool]) -> None:
    while not found():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def test_a_request_is_proven_to_be_in_the_log_by_the_extension_that_a_department_gets(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            proofs = bureau.proofs(sequencer)
            await asyncio.gather(*(proofs.prove(b"another %d" % number, TAG) for number in range(20)))
            proven = await proofs.prove(DOCUMENT, TAG)
            entry = LogEntry(kind=EntryKind.REQUEST, digest=request_digest(DOCUMENT), tag=TAG)
            checkpoint = signed_checkpoint(Note.decode(proven.note), (SIGNER.key,))
            leaf = leaf_digest(entry.encode())
            assert root_of_path(leaf, proven.index, proven.size, b"".join(proven.path)) == checkpoint.root
            receipt = Receipt(index=proven.index, path=proven.path, note=Note.decode(proven.note))
            with pytest.raises(TooFewWitnesses):
                receipt.verify(entry.encode(), TrustedLog(log_keys=(SIGNER.key,), witnesses=(), quorum=1))
            for seen in (0, 5, proven.size):
                bureau.seen[TAX] = seen
                shown = proofs.extension_for(TAX, proven)
                assert (shown.start, shown.checkpoint) == (seen, proven.note)
                assert len(shown.entries) == proven.size - seen
            bureau.seen[TAX] = proven.size + 10
            assert proofs.extension_for(TAX, proven).start == proven.size

    run(scenario())


def test_the_same_bytes_get_the_same_place_checkpoint_and_path_again_also_from_another_process(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            proofs = bureau.proofs(sequencer)
            first, second = await asyncio.gather(*(proofs.prove(DOCUMENT, TAG) for _ in range(2)))
            await proofs.prove(b"another", TAG)
            assert first == second == await proofs.prove(DOCUMENT, TAG)
        async with bureau.sequencer() as sequencer:
            assert await bureau.proofs(sequencer).prove(DOCUMENT, TAG) == first
            assert sequencer.state.size == 2

    run(scenario())


def test_a_tag_that_is_none_is_refused(bureau: Bureau) -> None:
    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            with pytest.raises(MalformedMessage):
                await bureau.proofs(sequencer).prove(DOCUMENT, b"short")

    run(scenario())


def test_answers_and_refusals_come_into_the_log_and_refusals_with_their_signed_document(
    bureau: Bureau, database: Database
) -> None:
    digest = request_digest(DOCUMENT)

    async def scenario() -> None:
        async with bureau.sequencer() as sequencer:
            proofs = bureau.proofs(sequencer)
            proofs.answered(digest, bytes(32))
            proofs.answered(digest, bytes(32))
            proofs.refused(digest, TAX, "consent-revoked")
            await until(lambda: sequencer.state.size == 2)
            shown = sequencer.extension(0, 2, sequencer.state.note)
            assert shown.entries[0] == answer_entry(digest, bytes(32)).encode()
            with database.reading() as connection:
                ((index, document),) = places.documents(connection, {EntryKind.REFUSAL}).items()
            assert shown.entries[index] == Refusal.entry(document).encode()
            refusal = Refusal.verify(document, IDENTITY.public)
            assert (refusal.department, refusal.problem, refusal.request) == (TAX, "consent-revoked", digest)
            # It is nothing that departments are shown.
            assert shown.documents == ()

    run(scenario())
