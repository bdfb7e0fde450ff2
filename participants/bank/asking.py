"""How a bank comes to a score over a network in which answers get lost and departments go down.

| what happens                                      | what is done                                                     |
|---------------------------------------------------|------------------------------------------------------------------|
| no answer, too few departments, a busy bureau     | the very same bytes again                                        |
| a department of S did not answer                  | another offer; if it is the same, the very same bytes again      |
| the offer is another, or a key was rotated        | another request, under the same id                               |
| the enterprise was answered with another set, and |                                                                  |
| - there is an earlier score                       | `AnsweredWithAnotherSet` with it                                 |
| - by a request made just now, of which a part of  | that request again; `AnsweredWithAnotherSet` when the patience   |
|   the departments knows                           | is over                                                          |
| anything else is refused                          | `ScoreRefused`                                                   |

All of it ends with the patience. A request is kept in the bank's database before it is sent, one for each request id,
whoever asks under it. The same bytes are answered with the same bytes and counted once, so that it does no harm to send
them again: after a restart as well, and after their expiry as long as departments keep what they answered (`settle`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from crypto.errors import PeerError, ProtocolStateError
from crypto.identifiers import EnterpriseId, RequestId
from models.hosting.clock import Clock
from models.hosting.errors import PeerUnreachable, RemoteProblem
from models.hosting.https import problems, proof_problems
from models.hosting.https.problems import Problem
from models.wire.consent import Purpose
from models.wire.online import Offer, OfferRequest, ScoreAnswer
from participants.bank.consents import Consents
from participants.bank.errors import AnsweredWithAnotherSet, BureauUnreachable, ScoreFailed, ScoreRefused
from participants.bank.receipts import ReceiptStore
from participants.bank.score_request import OpenRequest, Score, ScoreClient
from participants.bank.score_store import ANSWERS_KEPT_SECONDS, ScoreStore

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
ASKED_AGAIN: Final = frozenset(
    {
        problems.INTERNAL,
        problems.DEADLINE_EXCEEDED,
        problems.NOT_READY,
        problems.TOO_FEW_DEPARTMENTS,
        problems.TOO_MANY_REQUESTS,
        problems.BODY_TOO_SLOW,
        problems.SIGNATURE_REPLAYED,
        problems.UNEXPLAINED,
        proof_problems.LOG_BEHIND,
        proof_problems.CLOCK_DISPUTED,
    }
)
"""After these the same bytes are sent again."""
ASKED_ANEW: Final = frozenset(
    {
        problems.DEPARTMENT_UNAVAILABLE,
        problems.KEY_NOT_IN_FORCE,
        problems.REQUEST_USED,
        problems.REQUEST_EXPIRED,
    }
)
"""After these there may be another request, with another offer."""
OF_THE_CONSENT: Final = frozenset(
    {
        proof_problems.CONSENT_UNKNOWN,
        proof_problems.CONSENT_INVALID,
        proof_problems.CONSENT_BEYOND_RULES,
        proof_problems.CONSENT_NOT_ACTIVE,
        proof_problems.CONSENT_USED_UP,
    }
)
"""After these the consent is not used again before it is handed in again: another one may do."""

_Found = TypeVar("_Found", bound=Score | OpenRequest)


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


@dataclass(frozen=True, slots=True, repr=False)
class _Question:
    """What is asked, and under which request id."""

    enterprise_id: EnterpriseId
    purpose: Purpose
    request_id: RequestId


class Asker:
    """Asks for scores by one model. Any number of tasks of one event loop may use it at once."""

    def __init__(
        self,
        client: ScoreClient,
        store: ScoreStore,
        bureau: Bureau,
        *,
        consents: Consents,
        receipts: ReceiptStore,
        clock: Clock,
        patience_seconds: float = PATIENCE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.client = client
        self.store = store
        self.receipts = receipts
        self._consents = consents
        self._bureau = bureau
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._answer_seconds = answer_seconds
        self._sleep = sleep
        self._offered: tuple[float, Offer] | None = None
        self._offering = asyncio.Lock()

    async def score(
        self,
        enterprise_id: EnterpriseId,
        request_id: RequestId | None = None,
        *,
        purpose: Purpose = Purpose.APPLICATION,
    ) -> Score:
        """The score of one enterprise, under a consent for `purpose`; the same one for the same `request_id`."""
        until = self._clock.now() + self._patience_seconds
        found: OpenRequest | Score | None = None
        if request_id is not None:
            found = await asyncio.to_thread(self._found, enterprise_id, request_id)
        if found is None or (isinstance(found, OpenRequest) and not self._may_be_answered(found)):
            name = request_id or RequestId(secrets.token_hex(16))
            question = _Question(enterprise_id, purpose, name)
            found = await self._request(question, await self._offer(until), instead_of=found)
        return await self._ask(found, until)

    async def settle(self, asked: OpenRequest, until: float | None = None) -> Score:
        """Send an open request until it is answered; keep the score."""
        until = until or self._clock.now() + self._patience_seconds
        data = await self._post(SCORES_PATH, asked.request.encode(), ScoreAnswer.MAXIMUM_BYTES, until, asked)
        try:
            score = await asyncio.to_thread(self._open, asked, ScoreAnswer.decode(data))
        except (PeerError, ProtocolStateError):
            # The same bytes would be answered with the same bytes: who asks again is to make another request.
            await asyncio.to_thread(self.store.give_up, (asked.digest,))
            raise
        return await asyncio.to_thread(self.store.scored, score)

    def _found(self, enterprise_id: EnterpriseId, request_id: RequestId) -> OpenRequest | Score | None:
        """What there is under a request id."""
        found = self.store.score(request_id) or self.store.open_request(request_id)
        return None if found is None else self._of_this_question(found, enterprise_id)

    def _open(self, asked: OpenRequest, answer: ScoreAnswer) -> Score:
        """The score; what came with it is kept."""
        score = self.client.open(asked, answer)
        self.receipts.keep(self.client.evidence(asked, answer), now=self._clock.now())
        return score

    async def _request(
        self, question: _Question, offer: Offer, *, instead_of: OpenRequest | None
    ) -> OpenRequest | Score:
        """A new request, kept; or what somebody else has kept under its id at the same time."""
        asked = await asyncio.to_thread(self._make, question, offer)
        return self._of_this_question(await self._keep(asked, instead_of), question.enterprise_id)

    def _make(self, question: _Question, offer: Offer) -> OpenRequest:
        use = self._consents.use(question.enterprise_id, question.purpose, question.request_id, now=self._clock.now())
        return self.client.request(use, offer, question.request_id)

    async def _keep(self, asked: OpenRequest, instead_of: OpenRequest | None) -> OpenRequest | Score:
        return await asyncio.to_thread(self._keep_first, asked, instead_of)

    def _keep_first(self, asked: OpenRequest, instead_of: OpenRequest | None) -> OpenRequest | Score:
        """Keep a request, and whichever is sent first under its id as the one that others follow."""
        digests = () if instead_of is None else (instead_of.digest,)
        kept = self.store.keep(asked, now=self._clock.now(), instead_of=digests)
        if isinstance(kept, OpenRequest):
            self._consents.made(kept.statement.request_id, kept.digest)
        return kept

    async def _ask(self, asked: OpenRequest | Score, until: float) -> Score:
        unanswered: list[OpenRequest] = []  # a department did not answer them, others perhaps did
        attempt, requests = 0, 1
        while True:
            if isinstance(asked, Score):
                return asked
            try:
                return await self.settle(asked, until)
            except _AskAnew as fault:
                problem = fault.problem
            except AnsweredWithAnotherSet as fault:
                return await self._return_to(unanswered[0] if unanswered else None, asked, fault, until)
            if problem.kind is problems.DEPARTMENT_UNAVAILABLE and asked not in unanswered:
                unanswered.append(asked)
            if self._clock.now() >= until or requests == _REQUESTS:
                await self._give_up_if_final(asked, problem)
                raise ScoreRefused(problem, request_id=asked.statement.request_id)
            await self._pause(attempt)
            before, asked = asked, await self._next(asked, unanswered, problem, until)
            attempt, requests = attempt + 1, requests + (asked is not before)

    async def _next(
        self, asked: OpenRequest, unanswered: Sequence[OpenRequest], problem: Problem, until: float
    ) -> OpenRequest | Score:
        """What to send after a refusal: bytes that were sent before if the same departments are up again.

        To those that have answered them they cost nothing: no obfuscator, and no second entry in any record.
        """
        self._offered = None
        offer = await self._offer(until)
        same = next((one for one in unanswered if one.offer == offer), None)
        if problem.kind is not problems.DEPARTMENT_UNAVAILABLE or same is None:
            statement = asked.statement
            question = _Question(EnterpriseId(asked.enterprise_id), statement.purpose, statement.request_id)
            return await self._request(question, offer, instead_of=asked)
        return asked if same is asked else await self._keep(same, asked)

    async def _return_to(
        self, before: OpenRequest | None, asked: OpenRequest, conflict: AnsweredWithAnotherSet, until: float
    ) -> Score:
        """A part of the departments has answered `before`: that one may still come to a score, `asked` cannot."""
        if before is None or before is asked:
            await asyncio.to_thread(self.store.give_up, (asked.digest,))
            raise conflict
        kept, attempt = await self._keep(before, asked), 0
        if conflict.earlier is not None:
            raise conflict
        while True:
            if isinstance(kept, Score):
                return kept
            try:
                return await self.settle(kept, until)
            except _AskAnew as fault:
                await self._give_up_if_final(kept, fault.problem)
                if fault.problem.kind is not problems.DEPARTMENT_UNAVAILABLE or self._clock.now() >= until:
                    raise conflict from None
            except AnsweredWithAnotherSet:
                await asyncio.to_thread(self.store.give_up, (kept.digest,))
                raise
            await self._pause(attempt)
            attempt += 1

    async def _give_up_if_final(self, asked: OpenRequest, problem: Problem) -> None:
        """Forget a request after this refusal, unless its departments may answer it yet."""
        if problem.kind is not problems.DEPARTMENT_UNAVAILABLE:
            await asyncio.to_thread(self.store.give_up, (asked.digest,))

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
        if kind in ASKED_AGAIN:
            return
        if asked is None:
            raise ScoreRefused(problem)
        if kind in ASKED_ANEW:
            raise _AskAnew(problem)
        request_id = asked.statement.request_id
        if kind in OF_THE_CONSENT:
            await asyncio.to_thread(self._consents.refused, request_id, kind.slug)
        if kind is problems.REQUEST_CONFLICT:
            earlier = await asyncio.to_thread(
                self.store.latest_score, EnterpriseId(asked.enterprise_id), self.client.version
            )
            raise AnsweredWithAnotherSet(problem, earlier, request_id=request_id)
        await asyncio.to_thread(self.store.give_up, (asked.digest,))
        raise ScoreRefused(problem, request_id=request_id)

    def _may_be_answered(self, asked: OpenRequest) -> bool:
        """Whether departments would answer it, or have and still know what."""
        return asked.statement.expires_at + ANSWERS_KEPT_SECONDS > self._clock.now()

    def _of_this_question(self, found: _Found, enterprise_id: EnterpriseId) -> _Found:
        version = found.model_version if isinstance(found, Score) else found.statement.model_version
        if found.enterprise_id != enterprise_id or version != self.client.version:
            raise ProtocolStateError(
                "a request id was used for another enterprise or by another model",
                advice="Leave it out, or give another.",
            )
        return found

    async def _pause(self, attempt: int) -> None:
        await self._sleep(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt, 10)))

    async def resume(self) -> list[Score]:
        """Come to the scores of all open requests by this model, and forget those that will have none.

        One that cannot be answered now stays open. Raises `BureauUnreachable` if nobody can be asked.
        """
        everything = await asyncio.to_thread(self.store.open)
        mine = [asked for asked in everything if asked.statement.model_version == self.client.version]
        over = [asked.digest for asked in mine if not self._may_be_answered(asked)]
        await asyncio.to_thread(self.store.give_up, over)
        scores: list[Score] = []
        for asked in mine:
            if asked.digest in over:
                continue
            try:
                scores.append(await self.settle(asked))
            except _AskAnew as fault:
                await self._give_up_if_final(asked, fault.problem)
            except AnsweredWithAnotherSet:
                await asyncio.to_thread(self.store.give_up, (asked.digest,))
            except BureauUnreachable:
                raise
            except (ScoreFailed, PeerError, ProtocolStateError):
                continue  # it is forgotten already if nothing can come of it
        return scores
