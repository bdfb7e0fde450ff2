"""Shortens the pauses of Flower's that cannot be configured.

The stock SuperNode sleeps 3 s between two looks for a message and 0.5 s between two looks for the app's reply; who asks
for an object that is still being uploaded waits 1 s, and then twice as long each time. An exchange of ours waits for
the slowest of all participants, so these pauses and not the network decide how long a run takes.

A pause is shortened only where Flower is found to be exactly what this was written for: the pinned version, with the
known sleeps and no other use of `time`. Otherwise nothing is changed and the caller is told.
"""

import ast
import inspect
import time
import types
from typing import Final

import flwr.supernode.start_client_internal as supernode_loop
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.version import package_version

KNOWN_VERSION: Final = "1.41.0"
KNOWN_SLEEPS: Final = (0.5, 0.5, 3.0)
KNOWN_BACKOFF_SECONDS: Final = 1
BACKOFF_SECONDS: Final = 0.05


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


def shorten_supernode_sleeps(poll_seconds: float) -> bool:
    """Let the SuperNode's loop sleep `poll_seconds` at most."""
    if package_version != KNOWN_VERSION or sleeps_in(inspect.getsource(supernode_loop)) != KNOWN_SLEEPS:
        return False
    pauses = types.SimpleNamespace(sleep=lambda seconds: time.sleep(min(seconds, poll_seconds)))
    setattr(supernode_loop, "time", pauses)  # noqa: B010 - a plain assignment is a type error, rightly
    return True
