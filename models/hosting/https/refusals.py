"""What becomes of an error that a request ran into: a problem for the caller, and a line in our log that says why.

| problem                        | line            | because                                                           |
|--------------------------------|-----------------|-------------------------------------------------------------------|
| of status 500 and more         | an error        | this side, or one behind it, is not in order                      |
| 400, 401, 403, 421             | a warning       | an honest party of this release sends no such request             |
| others                         | none            | they happen: no such model, asked too often, another set          |

The line holds the error's class, the line of ours that raised it, its message if that is ours, and who asked
(`operation/logs.py`). The caller gets none of that.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from models.hosting.https.problems import STATE_KEY, Problem, problem_of

CALLER: Final = "caller"
"""Under this a scope's state holds who called."""

_SUSPECT: Final = frozenset({400, 401, 403, 421})
_LOG: Final = logging.getLogger("yurong.requests")


def refusal(error: Exception, *, caller: str | None) -> Problem:
    """What an error is answered with, after it was put into the log. caller: who is known to have asked, if anybody."""
    problem = problem_of(error)
    said = {"error": error, "problem": problem.slug, "participant": caller}
    if problem.status >= 500:
        _LOG.error("request failed", extra=said)
    elif problem.status in _SUSPECT:
        _LOG.warning("request refused", extra=said)
    return problem


async def answer_error(request: Request, error: Exception) -> Response:
    """Starlette's and FastAPI's exception handler for every class: `exception_handlers={YurongError: answer_error}`."""
    state: dict[str, Any] = request.scope.setdefault("state", {})
    problem = refusal(error, caller=state.get(CALLER))
    state[STATE_KEY] = problem.slug
    return Response(problem.to_json(), status_code=problem.status, headers=dict(problem.headers()))
