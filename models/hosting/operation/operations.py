"""What the operator of a node asks it: plain HTTP on the loopback, apart from the service that others reach.

| path     | answer                                                                                                 |
|----------|--------------------------------------------------------------------------------------------------------|
| /healthz | 200: the process runs. Restart it when there is no answer                                              |
| /readyz  | 200, or 503 while a check fails; `{"checks":{"database":true,"pins":false},"ready":false}`             |
| /metrics | Prometheus's text                                                                                      |

A check is a function that says yes or no, within two seconds; one that raises or hangs says no. Why is in the log: the
answer holds names of checks and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.hosting.https.refusals import answer_error

CHECK_SECONDS: Final = 2.0

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LOG: Final = logging.getLogger("yurong.operations")

Check = Callable[[], bool]
"""Whether something that the node needs is there. Runs in a thread of its own."""


def operations_app(registry: CollectorRegistry, checks: Mapping[str, Check]) -> Starlette:
    """The app. `checks`: what the node needs to be of use, by a name such as `database`."""
    if any(_NAME.fullmatch(name) is None for name in checks):
        raise ValueError("a check's name is 1 to 40 lower-case letters, digits and hyphens")
    readiness = _Readiness(checks)

    async def healthy(_request: Request) -> Response:
        return _json({"healthy": True}, 200)

    async def ready(_request: Request) -> Response:
        results = await readiness.look()
        good = all(results.values())
        return _json({"checks": results, "ready": good}, 200 if good else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    routes = [Route("/healthz", healthy), Route("/readyz", ready), Route("/metrics", metrics)]
    return Starlette(routes=routes, exception_handlers={404: answer_error, 405: answer_error, Exception: answer_error})


class _Readiness:
    """Runs the checks, each at most once at a time: one that hangs does not gather threads."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(sorted(checks.items()))
        self._running: dict[str, asyncio.Future[bool]] = {}
        self._said: dict[str, bool] = {}

    async def look(self) -> dict[str, bool]:
        """What each check says now."""
        results = await asyncio.gather(*map(self._check, self._checks))
        return dict(zip(self._checks, results, strict=True))

    async def _check(self, name: str) -> bool:
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = asyncio.ensure_future(asyncio.to_thread(self._checks[name]))
        try:
            result = await asyncio.wait_for(asyncio.shield(running), CHECK_SECONDS) is True
        except Exception as error:  # noqa: BLE001 - whatever it is, the node is not ready
            self._note(name, False, error)
            return False
        self._note(name, result, None)
        return result

    def _note(self, name: str, result: bool, error: Exception | None) -> None:
        if self._said.get(name, True) != result:
            _LOG.warning("a readiness check changed", extra={"service": name, "ready": result, "error": error})
        self._said[name] = result


def _json(fields: Mapping[str, object], status: int) -> Response:
    body = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return Response(body, status_code=status, media_type="application/json", headers={"cache-control": "no-store"})
