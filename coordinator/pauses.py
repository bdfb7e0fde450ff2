"""Shortens one pause of Flower's that cannot be configured.

A reply is announced before its objects are uploaded. Who asks for one in between waits 1 s and then twice as long each
time; at the polling of `coordinator/bus.py` that would be most of an exchange. The participants' side of the same is in
`participants/pauses.py`.
"""

from typing import Final

from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.version import package_version

KNOWN_VERSION: Final = "1.41.0"
KNOWN_BACKOFF_SECONDS: Final = 1
BACKOFF_SECONDS: Final = 0.05


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
