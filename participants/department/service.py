"""What the bureau asks of a department over HTTPS: `docs/protocols.md`, "Score of one enterprise".

    POST /v1/partial-scores   RelayedRequest -> DepartmentAnswer   the same bytes may be sent again until they expire
    POST /v1/ready-for        ReadyRequest -> ReadyReply           ready or not, and under which serial

`log_service.py` has what it is asked as a witness.

`models.hosting.https.guard.Guard` stands before this application: whose request it is, is known. Nobody but the
bureau that this department works with may ask. Bodies are MessagePack, refusals RFC 9457.

A few threads check and answer. A request that waits for an obfuscator holds none of them, so that a bank whose pool is
empty keeps no other bank waiting; it waits as long as its request is valid and the bureau listens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from fastapi import FastAPI
from starlette.types import Lifespan

from crypto.errors import YurongError
from crypto.identifiers import ModelVersion, ParticipantId
from crypto.paillier import Obfuscator
from models.hosting.errors import RequestRefused
from models.hosting.https import problems
from models.hosting.https.message_app import Gone, Operation, message_app
from models.wire.online import DepartmentAnswer, ReadyReply, ReadyRequest, RelayedRequest
from participants.department.errors import ObfuscatorsExhausted
from participants.department.log_service import LOG_PATHS, LogService
from participants.department.meters import Part, ScorerMeters
from participants.department.scorer import Scorer, Waiting

PARTIAL_SCORES_PATH: Final = "/v1/partial-scores"
READY_PATH: Final = "/v1/ready-for"
PATHS: Final = (PARTIAL_SCORES_PATH, READY_PATH, *LOG_PATHS)
MAXIMUM_BODY_BYTES: Final = RelayedRequest.MAXIMUM_BYTES
"""For the guard: no request to a department is larger."""

ANSWERED: Final = "answered"
_PAUSE_SECONDS: Final = 0.01
_LOG: Final = logging.getLogger("yurong.department")

_Result = TypeVar("_Result")


class DepartmentService:
    """Answers the bureau. Used within one event loop."""

    def __init__(self, scorer: Scorer, *, bureau: ParticipantId, meters: ScorerMeters, threads: int = 2) -> None:
        self._scorer = scorer
        self._bureau = bureau
        self._meters = meters
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="scoring")
        self._ready: dict[ModelVersion, bool] = {}

    async def partial_score(self, caller: ParticipantId, data: bytes, gone: Gone) -> bytes:
        """A department's encrypted partial of one enterprise, for the request that a bank signed."""
        outcome = problems.INTERNAL.slug
        try:
            with self._meters.timing(Part.ALL):
                self._require_bureau(caller)
                begun = await self._in_a_thread(self._begin, data)
                answer = begun if isinstance(begun, bytes) else await self._wait(begun, gone)
            outcome = ANSWERED
        except YurongError as fault:
            outcome = problems.problem_of(fault).slug
            raise
        finally:
            self._meters.ended(outcome)
        return answer

    async def ready_for(self, caller: ParticipantId, data: bytes, _gone: Gone) -> bytes:
        """Whether this department answers for a model, and the serial of the document under which it does."""
        self._require_bureau(caller)
        version = ModelVersion(ReadyRequest.decode(data).model_version)
        ready = await self._in_a_thread(self._is_ready, version)
        return ReadyReply(serial=self._scorer.serial, ready=ready).encode()

    def checks(self) -> dict[str, Callable[[], bool]]:
        """What this department needs to be of use, for the operator: every model of its can be answered for."""
        return {"models": lambda: all(map(self._is_ready, self._scorer.versions()))}

    def close(self) -> None:
        """Wait for what the threads are doing."""
        self._threads.shutdown()

    def _begin(self, data: bytes) -> bytes | Waiting:
        """The answer; or the request, if there is no obfuscator for it now."""
        with self._meters.timing(Part.CHECK):
            begun = self._scorer.begin(RelayedRequest.decode(data))
        if isinstance(begun, Waiting):
            with suppress(ObfuscatorsExhausted):
                return self._conclude(begun)
        return begun

    async def _wait(self, waiting: Waiting, gone: Gone) -> bytes:
        with self._meters.timing(Part.OBFUSCATOR):
            obfuscator = await self._obfuscator(waiting, gone)
        return await self._in_a_thread(self._conclude, waiting, obfuscator)

    async def _obfuscator(self, waiting: Waiting, gone: Gone) -> Obfuscator:
        while True:
            try:
                return self._scorer.obfuscator(waiting, timeout_seconds=0)
            except ObfuscatorsExhausted:
                if self._scorer.expired(waiting) or await gone():
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    def _conclude(self, waiting: Waiting, obfuscator: Obfuscator | None = None) -> bytes:
        with self._meters.timing(Part.ANSWER):
            return self._scorer.conclude(waiting, obfuscator)

    def _is_ready(self, version: ModelVersion) -> bool:
        try:
            ready = self._scorer.ready(version)
        except YurongError as fault:
            ready = False
            if self._ready.get(version, True):
                _LOG.warning("a model cannot be answered for", extra={"error": fault})
        if len(self._ready) < 1000 or version in self._ready:
            self._ready[version] = ready
        return ready

    def _require_bureau(self, caller: ParticipantId) -> None:
        if caller != self._bureau:
            raise RequestRefused(problems.FORBIDDEN, "only the bureau may ask this")

    async def _in_a_thread(self, function: Callable[..., _Result], *arguments: object) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


def department_app(
    service: DepartmentService, log: LogService, *, lifespan: Lifespan[FastAPI] | None = None
) -> FastAPI:
    """The application, to be put behind a `Guard`. `lifespan`: what goes on in its loop as long as it serves."""
    return message_app(
        "Yurong department",
        "Partial scores and cosignatures for the bureau. Every request is signed by RFC 9421 over mutual TLS.",
        [
            Operation(PARTIAL_SCORES_PATH, service.partial_score, RelayedRequest, DepartmentAnswer),
            Operation(READY_PATH, service.ready_for, ReadyRequest, ReadyReply),
            *log.operations(),
        ],
        lifespan=lifespan,
    )
