"""Scores for a bank, as a library.

    with BankClient.open("homes/bank") as bank:
        score = bank.score("91509924MALQKFMP3G")
        print(score.points, score.missing)
        for line in bank.explain(score).lines:
            print(line.origin, line.feature, line.points)

`AsyncBankClient` is the same for an event loop: `async with await AsyncBankClient.open("homes/bank") as bank`.

The bureau is reached over TLS that trusts the certificates of its pinned document alone; every request is signed.
Requests under way and scores are kept in the bank's database: `resume` comes to what a killed process asked for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import uvloop

from crypto.errors import PeerError, ProtectionUnavailable, YurongError
from crypto.identifiers import ModelVersion, ParticipantId, RequestId, Role
from models.enterprise_id import parse_enterprise_id
from models.hosting.https.door import WayOut
from models.hosting.storage.database import Database
from models.reasons.principal import PrincipalReason
from models.wire.consent import Purpose
from models.wire.consent_bundle import ConsentBundle
from models.wire.signed_change import SignedChange
from participants.bank.asking import ANSWER_SECONDS, PATIENCE_SECONDS, Asker
from participants.bank.consent_desk import ConsentDesk
from participants.bank.consents import ConsentBook, Consents, HeldConsent
from participants.bank.database import open_database
from participants.bank.explanation import Explanation, explain_score
from participants.bank.receipts import ReceiptStore
from participants.bank.score_request import Score, ScoreClient
from participants.bank.score_store import ScoreStore
from participants.bank.settings import relying_party_of
from participants.home import Home
from participants.model_store import ModelStore

AT_ONCE: Final = 4
"""So many requests a bank has under way at the same time."""

Progress = Callable[[int, int], None]
"""Is told how many are done, and of how many."""

_Result = TypeVar("_Result")


def unseen(_done: int, _total: int) -> None:
    """Nobody watches."""


class AsyncBankClient:
    """One bank asking for scores by one model. Used within one event loop, by any number of tasks."""

    def __init__(
        self,
        asker: Asker,
        home: Home,
        *,
        desk: ConsentDesk,
        at_once: int = AT_ONCE,
        close: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        self._asker = asker
        self._home = home
        self._desk = desk
        self._workers = at_once
        self._at_once = asyncio.Semaphore(at_once)
        self._close = close

    @classmethod
    async def open(
        cls,
        directory: str | Path,
        *,
        passphrase: str | None = None,
        model_version: ModelVersion | None = None,
        bureau: ParticipantId | None = None,
        at_once: int = AT_ONCE,
        patience_seconds: float = PATIENCE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        consents: Consents | None = None,
    ) -> Self:
        """The bank whose home is in `directory`.

        model_version, bureau: may be left out if the home has one model, and has pinned one bureau. at_once: requests
        under way. patience_seconds: how long one score may take in all. answer_seconds: and one answer, before the same
        bytes are sent again. consents: what it asks under, if not the consents in its database.
        """

        def read() -> tuple[Home, Database, ScoreClient, ParticipantId]:
            home = Home.open(Path(directory), passphrase=passphrase)
            client = ScoreClient(home, model_version or the_only_model(home), clock=home.clock)
            return home, open_database(home), client, the_bureau(home, bureau)

        home, database, client, asked = await asyncio.to_thread(read)
        peer = WayOut(home).peer(asked)
        receipts = ReceiptStore(database)
        book = ConsentBook(home, database, relying_party_of(home))
        asker = Asker(
            client,
            ScoreStore(database),
            peer,
            consents=consents or book,
            receipts=receipts,
            clock=home.clock,
            patience_seconds=patience_seconds,
            answer_seconds=answer_seconds,
        )

        async def close() -> None:
            await peer.close()
            database.close()

        return cls(asker, home, desk=ConsentDesk(home, book, receipts, peer), at_once=at_once, close=close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Requests that are open stay so in the database."""
        if self._close is not None:
            await self._close()

    @property
    def model_version(self) -> ModelVersion:
        """The model that scores are given by."""
        return self._asker.client.version

    async def score(
        self, enterprise_id: str, *, request_id: RequestId | None = None, purpose: Purpose = Purpose.APPLICATION
    ) -> Score:
        """The score of one enterprise, under a consent of its for `purpose`.

        request_id: 32 hexadecimal digits; asked again with the same, the answer is the same score and nothing is
        counted twice. Raises

        - `InvalidEnterpriseId`;
        - `NoConsent`, before anybody is asked; another `ScoreFailed` (`participants/bank/errors.py`) if the bureau does
          not answer, or refuses;
        - another `PeerError` for an offer or answer that an honest bureau does not give, `UntrustedKey` among them for
          a department whose document in use is not pinned here; `ProtectionUnavailable` for an offer of too few;
        - `ProtocolStateError` for a request id that was used for another enterprise or by another model, or whose
          answer is under a key that this bank has no longer;
        - `StoreUnusable` or `DatabaseUnusable` if this bank's own book or database cannot be read.
        """
        checked = parse_enterprise_id(enterprise_id)
        async with self._at_once:
            return await self._asker.score(checked, request_id, purpose=purpose)

    async def score_many(
        self,
        enterprise_ids: Iterable[str],
        *,
        progress: Progress = unseen,
        request_ids: Iterable[RequestId] | None = None,
        purpose: Purpose = Purpose.APPLICATION,
    ) -> list[Score | YurongError]:
        """Scores in the order of the ids; in the place of each that could not be had, why not.

        request_ids: one for each, as in `score`.
        """
        ids = list(enterprise_ids)
        results: list[Score | YurongError | None] = [None] * len(ids)
        named: Iterable[RequestId | None] = repeat(None, len(ids)) if request_ids is None else request_ids
        waiting = enumerate(zip(ids, named, strict=True))
        done = 0

        async def worker() -> None:
            nonlocal done
            for place, (enterprise_id, request_id) in waiting:
                try:
                    results[place] = await self.score(enterprise_id, request_id=request_id, purpose=purpose)
                except YurongError as fault:
                    results[place] = fault
                done += 1
                progress(done, len(ids))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._workers, len(ids))):
                group.create_task(worker())
        return [result for result in results if result is not None]

    async def resume(self) -> list[Score]:
        """The scores of requests that an earlier process left open."""
        return await self._asker.resume()

    async def explain(self, score: Score) -> Explanation:
        """What a score is made of, in points that add up to it exactly.

        There is a line for the intercept, for each feature of this bank, for all departments together and for the mean
        of each missing department. There is none for a single department that answered: nobody can open its part.
        """
        return await asyncio.to_thread(self._explain, score)

    async def reasons(self, score: Score) -> tuple[PrincipalReason, ...] | None:
        """Why a score is not better: up to four reasons; None if the consent lets this bank open none."""
        return await asyncio.to_thread(self._asker.receipts.reasons, score.request_id)

    async def deposit(self, bundle: ConsentBundle) -> HeldConsent:
        """Take a consent that an enterprise gave this bank: see `ConsentDesk.deposit`."""
        return await self._desk.deposit(bundle)

    async def change(self, change: SignedChange) -> bytes:
        """Hand in a change of a consent: see `ConsentDesk.change`."""
        return await self._desk.change(change)

    async def complete_receipts(self) -> int:
        """Fetch the receipts that waited for a quorum; return how many still wait."""
        return await self._desk.complete_receipts()

    def _explain(self, score: Score) -> Explanation:
        client = self._asker.client
        features = client.contributions(score.enterprise_id)
        return explain_score(score, client.parts(score), self._home.participant_id, features)


class BankClient:
    """`AsyncBankClient` for a program without an event loop of its own. Any number of threads may use it at once."""

    def __init__(self, loop: _LoopThread, client: AsyncBankClient) -> None:
        self._loop = loop
        self._client = client

    @classmethod
    def open(
        cls,
        directory: str | Path,
        *,
        passphrase: str | None = None,
        model_version: ModelVersion | None = None,
        bureau: ParticipantId | None = None,
        at_once: int = AT_ONCE,
        patience_seconds: float = PATIENCE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        consents: Consents | None = None,
    ) -> Self:
        """The bank whose home is in `directory`: see `AsyncBankClient.open`."""
        opening = AsyncBankClient.open(
            directory,
            passphrase=passphrase,
            model_version=model_version,
            bureau=bureau,
            at_once=at_once,
            patience_seconds=patience_seconds,
            answer_seconds=answer_seconds,
            consents=consents,
        )
        loop = _LoopThread()
        try:
            return cls(loop, loop.run(opening))
        except BaseException:
            loop.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections and end the thread."""
        try:
            self._loop.run(self._client.close())
        finally:
            self._loop.close()

    @property
    def model_version(self) -> ModelVersion:
        """The model that scores are given by."""
        return self._client.model_version

    def score(
        self, enterprise_id: str, *, request_id: RequestId | None = None, purpose: Purpose = Purpose.APPLICATION
    ) -> Score:
        """The score of one enterprise: see `AsyncBankClient.score`."""
        return self._loop.run(self._client.score(enterprise_id, request_id=request_id, purpose=purpose))

    def score_many(
        self,
        enterprise_ids: Iterable[str],
        *,
        progress: Progress = unseen,
        request_ids: Iterable[RequestId] | None = None,
        purpose: Purpose = Purpose.APPLICATION,
    ) -> list[Score | YurongError]:
        """Scores in the order of the ids; in the place of each that could not be had, why not.

        progress: is called in another thread. request_ids: one for each, as in `score`.
        """
        return self._loop.run(
            self._client.score_many(enterprise_ids, progress=progress, request_ids=request_ids, purpose=purpose)
        )

    def resume(self) -> list[Score]:
        """The scores of requests that an earlier process left open."""
        return self._loop.run(self._client.resume())

    def explain(self, score: Score) -> Explanation:
        """What a score is made of: see `AsyncBankClient.explain`."""
        return self._loop.run(self._client.explain(score))

    def reasons(self, score: Score) -> tuple[PrincipalReason, ...] | None:
        """Why a score is not better: see `AsyncBankClient.reasons`."""
        return self._loop.run(self._client.reasons(score))

    def deposit(self, bundle: ConsentBundle) -> HeldConsent:
        """Take a consent that an enterprise gave this bank: see `ConsentDesk.deposit`."""
        return self._loop.run(self._client.deposit(bundle))

    def change(self, change: SignedChange) -> bytes:
        """Hand in a change of a consent: see `ConsentDesk.change`."""
        return self._loop.run(self._client.change(change))

    def complete_receipts(self) -> int:
        """Fetch the receipts that waited for a quorum; return how many still wait."""
        return self._loop.run(self._client.complete_receipts())


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bank-client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Wait for what `work` comes to. Interrupted, it is cancelled."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop and its thread."""
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def the_only_model(home: Home) -> ModelVersion:
    """The model of a home that has one; raises `ProtectionUnavailable` if it has none, or several."""
    stores = [ModelStore(path.parent.parent, ModelVersion(path.parent.name)) for path in _facts(home)]
    if len(stores) != 1:
        raise ProtectionUnavailable(
            f"this bank's home has {len(stores) or 'no'} models", advice="Say by which model, with `model_version`."
        )
    return stores[0].version


def the_bureau(home: Home, named: ParticipantId | None = None) -> ParticipantId:
    """The bureau that a home has pinned; raises `PeerError` if it is none, or several, or none of this name."""
    names = [name for name, documents in home.pins.documents().items() if documents[0].role is Role.BUREAU]
    if named in names:
        return named
    if named is not None:
        raise PeerError(
            f"this bank has pinned no bureau {named}",
            advice="Pin its document, or set `bureau` to the one that it asks.",
        )
    if len(names) != 1:
        raise PeerError(
            f"this bank has pinned {len(names) or 'no'} bureaus", advice="Pin one, or say which one this bank asks."
        )
    return names[0]


def _facts(home: Home) -> Sequence[Path]:
    return sorted((home.directory / "models").glob("*/facts.json"))
