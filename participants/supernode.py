"""Flower's SuperNode with shorter pauses: `python -m participants.supernode [--poll-seconds 0.2] FLAGS`.

The flags are those of `flower-supernode`. Where the pauses cannot be shortened (`participants/pauses.py`), the stock
SuperNode runs and a warning says so.
"""

import logging
import sys
from typing import Final

from flwr.supernode.cli import flower_supernode

from participants.pauses import shorten_object_backoff, shorten_supernode_sleeps

DEFAULT_POLL_SECONDS: Final = 0.2

_log = logging.getLogger(__name__)


def main() -> None:
    """Take our one option off the command line and start Flower's SuperNode with the rest."""
    poll_seconds = DEFAULT_POLL_SECONDS
    if "--poll-seconds" in sys.argv:
        at = sys.argv.index("--poll-seconds")
        poll_seconds = float(sys.argv[at + 1])
        del sys.argv[at : at + 2]
    if not (shorten_supernode_sleeps(poll_seconds) and shorten_object_backoff()):
        _log.warning("this is not the version of Flower whose pauses are known; they stay as they are")
    flower_supernode()


if __name__ == "__main__":
    main()
