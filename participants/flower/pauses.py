"""Shortens the pauses of Flower's that cannot be configured.

| pause                                                      | Flower's  | ours   |
|------------------------------------------------------------|-----------|--------|
| between two looks for a message, while a run goes on       | 3 s       | 0.2 s  |
| the same when there was none for a minute                  | 3 s       | 2 s    |
| between two looks for the app's reply                      | 0.5 s     | 0.2 s  |
| before an object that is still being uploaded is asked for | 1, 2, … s | 0.05 s |
| between two heartbeats                                     | 20 s      | 3 s    |
| after which a silent SuperNode, or an executor, is gone    | 60 s      | 12 s   |
| longest before a bureau that was away is called again      | 20 s      | 3 s    |

An exchange of ours waits for the slowest of all participants, so these pauses and not the network decide how long a run
takes. A SuperNode that was killed is refused until it counts as gone, so that time decides how soon it is back; two
heartbeats may be missed within it, and a machine may be busy for some seconds. The SuperLink's side of it is in
`coordinator/flower/pauses.py`.

A pause is shortened only where Flower is found to be exactly what this was written for: the pinned version, with the
known values and no other use of `time`. Otherwise nothing is changed and the caller is told.
"""

import ast
import inspect
import time
import types
from collections.abc import Callable
from typing import Final

import flwr.supernode.fleet_http_connection as fleet_connection
import flwr.supernode.start_client_internal as supernode_loop
from flwr.supercore import heartbeat
from flwr.supercore.corestate import in_memory_corestate
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.retry import exponential, http_retry
from flwr.supercore.version import package_version

KNOWN_VERSION: Final = "1.41.0"
KNOWN_SLEEPS: Final = (0.5, 0.5, 3.0)
KNOWN_BACKOFF_SECONDS: Final = 1
BACKOFF_SECONDS: Final = 0.05
HEARTBEAT_SECONDS: Final = 6
"""What the other side is told: it counts two of these before it takes a silent one for gone."""
RETRY_SECONDS: Final = 3
IDLE_SECONDS: Final = 2.0
BUSY_FOR_SECONDS: Final = 60.0

_HEARTBEATS: Final = (
    (fleet_connection, "HEARTBEAT_DEFAULT_INTERVAL", 30, HEARTBEAT_SECONDS),
    (in_memory_corestate, "HEARTBEAT_DEFAULT_INTERVAL", 30, HEARTBEAT_SECONDS),
    # The sender waits 0.7 to 0.9 times the difference of these two.
    (heartbeat, "HEARTBEAT_DEFAULT_INTERVAL", 30, HEARTBEAT_SECONDS),
    (heartbeat, "HEARTBEAT_CALL_TIMEOUT", 5, 2),
    (http_retry, "MAX_RETRY_DELAY", 20, RETRY_SECONDS),
)


def sleeps_in(source: str) -> tuple[float, ...] | None:
    """The constants of all `time.sleep(constant)` calls of a module, sorted; None if it uses `time` otherwise."""
    tree = ast.parse(source)
    uses = sum(isinstance(node, ast.Name) and node.id == "time" for node in ast.walk(tree))
    constants = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="time"), attr="sleep"),
                args=[ast.Constant(value=int() | float() as seconds)],
            ):
                constants.append(float(seconds))
    return tuple(sorted(constants)) if len(constants) == uses else None


def shorten_object_backoff() -> bool:
    """Ask again for an object after 0.05 s instead of 1 s."""
    functions = (inflatable_utils.pull_objects, inflatable_utils.pull_and_inflate_object_from_tree)
    backoffs = {(function.__kwdefaults__ or {}).get("initial_backoff") for function in functions}
    if package_version != KNOWN_VERSION or not backoffs <= {KNOWN_BACKOFF_SECONDS, BACKOFF_SECONDS}:
        return False
    for function in functions:
        function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), "initial_backoff": BACKOFF_SECONDS}
    return True


class Pauses:
    """The SuperNode's pauses: short while messages come, longer when there was none for a minute.

    Five looks a second of every participant keep a SuperLink busy that has nothing to give.
    """

    def __init__(
        self,
        poll_seconds: float,
        *,
        idle_seconds: float = IDLE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poll_seconds, self._idle_seconds = poll_seconds, idle_seconds
        self._sleep, self._monotonic = sleep, monotonic
        self._busy_at = monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep in the place of `time.sleep`: for its longest pause nobody has sent a message."""
        if seconds < max(KNOWN_SLEEPS):
            self._busy_at = self._monotonic()
        idle = self._monotonic() - self._busy_at > BUSY_FOR_SECONDS
        self._sleep(min(seconds, max(self._idle_seconds, self._poll_seconds) if idle else self._poll_seconds))


def shorten_supernode_sleeps(poll_seconds: float) -> bool:
    """Let the SuperNode's loop sleep `poll_seconds` at most while a run goes on."""
    if package_version != KNOWN_VERSION or sleeps_in(inspect.getsource(supernode_loop)) != KNOWN_SLEEPS:
        return False
    pauses = types.SimpleNamespace(sleep=Pauses(poll_seconds).sleep)
    setattr(supernode_loop, "time", pauses)  # noqa: B010 - a plain assignment is a type error, rightly
    return True


def shorten_heartbeats() -> bool:
    """Send heartbeats every 3 s, and let who is silent for 12 s be gone."""
    if package_version != KNOWN_VERSION or any(
        getattr(module, name, None) not in (known, ours) for module, name, known, ours in _HEARTBEATS
    ):
        return False
    for module, name, _, ours in _HEARTBEATS:
        setattr(module, name, ours)
    # A heartbeat that failed is sent again after 1 s, then 2 s, and then not ever later but each 3 s.
    setattr(heartbeat, "exponential", lambda **_: exponential(max_delay=RETRY_SECONDS))  # noqa: B010 - see above
    return True
