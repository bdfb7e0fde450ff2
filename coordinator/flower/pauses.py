"""Shortens two pauses of Flower's that cannot be configured.

A reply is announced before its objects are uploaded. Who asks for one in between waits 1 s and then twice as long each
time; at the polling of `coordinator/flower/bus.py` that would be most of an exchange.

A SuperNode that is killed may come back when it has missed two heartbeats, which Flower wants to be 10 s apart at least
and sends every 30 s: after a minute. Ours are 6 s apart (`participants/flower/pauses.py`, where both sides' numbers are
explained), and the SuperLink must allow that.
"""

from typing import Final

from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.version import package_version
from flwr.superlink.servicer.fleet import fleet_handlers

KNOWN_VERSION: Final = "1.41.0"
KNOWN_BACKOFF_SECONDS: Final = 1
BACKOFF_SECONDS: Final = 0.05
SHORTEST_HEARTBEAT_SECONDS: Final = 5


def shorten_object_backoff() -> bool:
    """Ask again for an object after 0.05 s; False, and nothing changed, if Flower is not the version this is for."""
    pull = inflatable_utils.pull_objects
    defaults = pull.__kwdefaults__ or {}
    if package_version != KNOWN_VERSION or defaults.get("initial_backoff") not in (
        KNOWN_BACKOFF_SECONDS,
        BACKOFF_SECONDS,
    ):
        return False
    pull.__kwdefaults__ = {**defaults, "initial_backoff": BACKOFF_SECONDS}
    return True


def allow_short_heartbeats() -> bool:
    """Let heartbeats be 5 s apart; False, and nothing changed, if Flower is not the version this is for."""
    if package_version != KNOWN_VERSION or not hasattr(fleet_handlers, "HEARTBEAT_MIN_INTERVAL"):
        return False
    setattr(fleet_handlers, "HEARTBEAT_MIN_INTERVAL", SHORTEST_HEARTBEAT_SECONDS)  # noqa: B010 - a type error, rightly
    return True
