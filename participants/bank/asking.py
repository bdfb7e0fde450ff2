"""How a bank comes to a score over a network in which answers get lost and departments go down.

| what happens                                      | what is done                                                     |
|---------------------------------------------------|------------------------------------------------------------------|
| no answer, too few departments, a busy bureau     | the very same bytes again, until the request expires             |
| a department of S is down, or a key was rotated   | another offer, and another request with it                       |
| the enterprise was answered with another set      | `AnsweredWithAnotherSet`, with the earlier score if there is one |
| anything else is refused                          | `ScoreRefused`                                                   |

A request is kept in the bank's database before it is sent. The same bytes are answered with the same bytes and counted
once, so that it does no harm to send them again, after a restart as well (`settle`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from crypto.errors import ProtocolStateError
from crypto.identifiers import EnterpriseId, RequestId
from models.hosting.clock import Clock
from models.hosting.errors import PeerUnreachable, RemoteProblem
from models.hosting.https import problems
from models.hosting.https.problems import Problem
from models.wire.online import Offer, OfferRequest, ScoreAnswer
from participants.bank.errors import AnsweredWithAnotherSet, BureauUnreachable, ScoreRefused
from participants.bank.score_request import OpenRequest, Score, ScoreClient
from participants.bank.score_store import ScoreStore

OFFERS_PATH: Final = "/v1/offers"
SCORES_PATH: Final = "/v1/scores"
PATIENCE_SECONDS: Final = 30.0
"""So long a bank tries to have one score."""
ANSWER_SECONDS: Final = 10.0
"""So long it waits for one answer."""
OFFER_SECONDS: Final = 0.25
"""So long an offer serves for further requests."""

_REQUESTS: Final = 4
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_AGAIN: Final = frozenset(
    {
        problems.INTERNAL,
        problems.DEADLINE_EXCEEDED,
        problems.NOT_READY,
        problems.TOO_FEW_DEPARTMENTS,
        problems.TOO_MANY_REQUESTS,
        problems.BODY_TOO_SLOW,
        problems.SIGNATURE_REPLAYED,
        problems.UNEXPLAINED,
    }
)
_ANEW: Final = frozenset(
    {
        problems.DEPARTMENT_UNAVAILABLE,
        problems.KEY_NOT_IN_FORCE,
        problems.REQUEST_USED,
        problems.REQUEST_EXPIRED,
    }
)

_Found = TypeVar("_Found", Score, OpenRequest)


class Bureau(Protocol):
    """The way to the bureau: a `models.hosting.https.peer.Peer`."""

    async def post(self, path: str, body: bytes, *, maximum_bytes: int, timeout_seconds: float) -> bytes:
        """The body of the answer."""
        ...


class _AskAnew(Exception):
    """This request comes to nothing; another one may."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem


class Asker:
    """Asks for scores by one model. Any number of tasks of one event loop may use it at once."""

    def __init__(
        self,
        client: ScoreClient,
        store: ScoreStore,
        bureau: Bureau,
        *,
        clock: Clock,
        patience_seconds: float = PATIENCE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.client = client
        self.store = store
        self._bureau = bureau
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._answer_seconds = answer_seconds
        self._sleep = sleep
        self._offered: tuple[float, Offer] | None = None
        self._offering = asyncio.Lock()

    async def score(self, enterprise_id: EnterpriseId, request_id: RequestId | None = None) -> Score:
        """The score of one enterprise; the same one for the same `request_id`."""
        until = self._clock.now() + self._patience_seconds
        before: OpenRequest | None = None
        if request_id is not None:
            if (score := await asyncio.to_thread(self.store.score, request_id)) is not None:
                return _same_enterprise(score, enterprise_id)
            before = await asyncio.to_thread(self.store.open_request, request_id)
            if before is not None and self._is_alive(_same_enterprise(before, enterprise_id)):
                try:
                    return await self.settle(before, until)
                except _AskAnew:
                    self._offered = None
        return await self._ask(enterprise_id, request_id, before, until)

    async def settle(self, asked: OpenRequest, until: float | None = None) -> Score:
        """Send an open request until it is answered; keep the score."""
        until = min(asked.statement.expires_at, until or self._clock.now() + self._patience_seconds)
        data = await self._post(SCORES_PATH, asked.request.encode(), ScoreAnswer.MAXIMUM_BYTES, until, asked)
        score = await asyncio.to_thread(self.client.open, asked, ScoreAnswer.decode(data))
        await asyncio.to_thread(self.store.scored, asked.digest, score, at=self._clock.now())
        return score

    async def _ask(
        self, enterprise_id: EnterpriseId, request_id: RequestId | None, before: OpenRequest | None, until: float
    ) -> Score:
        problem = Problem(kind=problems.DEPARTMENT_UNAVAILABLE)
        for number in range(_REQUESTS):
            offer = await self._offer(until)
            asked = await asyncio.to_thread(self.client.request, enterprise_id, offer, request_id)
            await asyncio.to_thread(self.store.keep, asked)
            try:
                score = await self.settle(asked, until)
            except _AskAnew as fault:
                self._offered, problem = None, fault.problem
                await self._pause(number)
                before = before or asked
            except AnsweredWithAnotherSet:
                await asyncio.to_thread(self._return_to, before, asked)
                raise
            else:
                if before is not None:
                    await asyncio.to_thread(self.store.give_up, (before.digest,))
                return score
        raise ScoreRefused(problem, request_id=request_id)

    def _return_to(self, before: OpenRequest | None, asked: OpenRequest) -> None:
        """A part of the departments has answered `before`: that one may still come to a score, `asked` cannot."""
        if before is not None and self._is_alive(before):
            self.store.keep(before, instead_of=(asked.digest,))
        else:
            self.store.give_up((asked.digest,))

    async def _offer(self, until: float) -> Offer:
        async with self._offering:
            now = self._clock.now()
            if self._offered is not None and now - self._offered[0] < OFFER_SECONDS:
                return self._offered[1]
            message = OfferRequest(model_version=self.client.version).encode()
            data = await self._post(OFFERS_PATH, message, Offer.MAXIMUM_BYTES, until, None)
            offer = Offer.decode(data)
            self._offered = now, offer
            return offer

    async def _post(self, path: str, body: bytes, maximum_bytes: int, until: float, asked: OpenRequest | None) -> bytes:
        """The answer, however often it takes to send the same bytes."""
        request_id = None if asked is None else asked.statement.request_id
        attempt = 0
        while True:
            left = until - self._clock.now()
            try:
                return await self._bureau.post(
                    path, body, maximum_bytes=maximum_bytes, timeout_seconds=max(0.1, min(self._answer_seconds, left))
                )
            except PeerUnreachable as fault:
                if self._clock.now() >= until:
                    raise BureauUnreachable(fault.message, advice=fault.advice, request_id=request_id) from None
            except RemoteProblem as fault:
                await self._refused(fault.problem, asked)
                if self._clock.now() >= until:
                    raise ScoreRefused(fault.problem, request_id=request_id) from None
            await self._pause(attempt)
            attempt += 1

    async def _refused(self, problem: Problem, asked: OpenRequest | None) -> None:
        """Raise what a refusal comes to, unless the same bytes may be sent again."""
        kind = problem.kind
        if kind in _AGAIN:
            return
        if asked is None:
            raise ScoreRefused(problem)
        if kind in _ANEW:
            raise _AskAnew(problem)
        request_id = asked.statement.request_id
        if kind is problems.REQUEST_CONFLICT:
            earlier = await asyncio.to_thread(
                self.store.latest_score, EnterpriseId(asked.enterprise_id), self.client.version
            )
            raise AnsweredWithAnotherSet(problem, earlier, request_id=request_id)
        await asyncio.to_thread(self.store.give_up, (asked.digest,))
        raise ScoreRefused(problem, request_id=request_id)

    def _is_alive(self, asked: OpenRequest) -> bool:
        return asked.statement.expires_at > self._clock.now()

    async def _pause(self, attempt: int) -> None:
        await self._sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))

    async def resume(self) -> list[Score]:
        """Come to the scores of all open requests by this model, and forget those whose time is over.

        One that cannot be answered now stays open. Raises `ScoreFailed` if the bureau cannot be reached or refuses.
        """
        everything = await asyncio.to_thread(self.store.open)
        mine = [asked for asked in everything if asked.statement.model_version == self.client.version]
        alive = [asked for asked in mine if self._is_alive(asked)]
        await asyncio.to_thread(self.store.give_up, [asked.digest for asked in mine if asked not in alive])
        scores: list[Score] = []
        for asked in alive:
            try:
                scores.append(await self.settle(asked))
            except _AskAnew as fault:
                if fault.problem.kind is not problems.DEPARTMENT_UNAVAILABLE:
                    await asyncio.to_thread(self.store.give_up, (asked.digest,))
        return scores


def _same_enterprise(found: _Found, enterprise_id: EnterpriseId) -> _Found:
    if found.enterprise_id != enterprise_id:
        raise ProtocolStateError(
            "a request id was used for another enterprise", advice="Leave it out, or give another."
        )
    return found
