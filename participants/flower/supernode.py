"""Flower's SuperNode of a participant: its connection pinned, its pauses shortened.

    python -m participants.flower.supernode --home HOME --bureau ID --superlink HOST:PORT --port PORT
        --secret-file FILE --node-config FILE [--alive FILE] [--poll-seconds 0.2]

It connects with the certificate and node key in HOME to the bureau that is pinned there (`fleet_connection.py`), and
hands messages to the executor at 127.0.0.1:PORT that shares the secret with it. Where the pauses cannot be shortened
(`pauses.py`) they stay, and a warning says so; where the connection cannot be pinned, nothing starts.
"""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Final

from flwr.supernode.cli import flower_supernode

from crypto.identifiers import parse_participant_id
from models.hosting.trust.home import NodeHome
from models.hosting.trust.passphrase import read_passphrase
from participants.flower.fleet_connection import FleetTls, use_pinned_connection
from participants.flower.pauses import shorten_heartbeats, shorten_object_backoff, shorten_supernode_sleeps
from participants.flower.stale_tasks import end_stale_tasks

DEFAULT_POLL_SECONDS: Final = 0.2
_LOOPBACK: Final = "127.0.0.1"

_log = logging.getLogger(__name__)


def main() -> None:
    """Read the command line and be Flower's SuperNode until stopped."""
    options = _options()
    os.umask(0o077)
    home = NodeHome.open(options.home, passphrase=read_passphrase())
    tls = FleetTls.of_home(home, parse_participant_id(options.bureau), alive=options.alive)
    tls.context()  # what is wrong with the certificates is said before anything starts
    use_pinned_connection(tls)
    if not all([shorten_supernode_sleeps(options.poll_seconds), shorten_object_backoff(), shorten_heartbeats()]):
        _log.warning("this is not the version of Flower whose pauses are known; they stay as they are")
    if not end_stale_tasks():
        _log.warning("this is not the version of Flower whose stale tasks are known; they are not ended")
    with home.node_key_file() as node_key:
        sys.argv[1:] = [
            *("--superlink", options.superlink, "--auth-supernode-private-key", str(node_key)),
            *("--host", _LOOPBACK, "--port", str(options.port), "--node-config", str(options.node_config)),
            *("--isolation", "process", "--superexec-auth-secret-file", str(options.secret_file)),
        ]
        flower_supernode()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="participants.flower.supernode", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", required=True, type=Path, help="whose certificate, node key and pins are used")
    parser.add_argument("--bureau", required=True, metavar="ID", help="the bureau's participant id")
    parser.add_argument("--superlink", required=True, metavar="HOST:PORT", help="the bureau's edge")
    parser.add_argument("--port", required=True, type=int, help="port on the loopback for the executor")
    parser.add_argument("--secret-file", required=True, type=Path, help="the secret shared with the executor")
    parser.add_argument("--node-config", required=True, type=Path, help="TOML file that the app reads, not the bureau")
    parser.add_argument("--alive", type=Path, help="file that is touched while the bureau answers")
    parser.add_argument("--poll-seconds", default=DEFAULT_POLL_SECONDS, type=float, help="pause between two looks")
    return parser.parse_args()


if __name__ == "__main__":
    main()
