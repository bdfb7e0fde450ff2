"""Asks for a key where Flower's SuperLink asks for none.

The open build of Flower serves three interfaces on one port. SuperNodes show a registered key and executors a secret or
a task's token; whoever asks the third, to start a run or register a node, is not asked who he is. So the program that
runs our SuperLink puts this in front of it:

| path          | who may call                                                                     |
|---------------|----------------------------------------------------------------------------------|
| /v1/control/* | who shows the control key, a secret file of the bureau's user                    |
| /v1/fleet/*   | as Flower has it: SuperNodes whose key is registered                             |
| /v1/runtime/* | as Flower has it: the executor by its secret, a server app by its task's token   |
| /health       | anybody on this machine                                                          |
| all else      | nobody: no documentation, no interfaces that a later build might add             |

It is the second door: the SuperLink listens on the loopback alone, and participants come through `edge.py`. So another
user of the bureau's machine can start no run and register no node, while whoever runs programs as the bureau's own user
can: the bureau runs under a user of its own, whom nothing else on that machine runs as.
"""

import hmac
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

CONTROL_KEY_HEADER: Final = "yurong-control-key"
_CONTROL: Final = "/v1/control/"
_GUARDED_BY_FLOWER: Final = ("/v1/fleet/", "/v1/runtime/")
_HEALTH: Final = "/health"


class LinkGuard:
    """The SuperLink's outermost layer. `control_key` is what callers of the Control API show in a header."""

    def __init__(self, app: ASGIApp, *, control_key: bytes) -> None:
        self._app = app
        self._control_key = control_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 404 without a word more."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._may_pass(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _may_pass(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if path.startswith(_CONTROL):
            shown = [value for name, value in scope["headers"] if name == CONTROL_KEY_HEADER.encode()]
            return len(shown) == 1 and hmac.compare_digest(shown[0], self._control_key)
        return path == _HEALTH or path.startswith(_GUARDED_BY_FLOWER)
