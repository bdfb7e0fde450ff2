"""The program of the edge, with the bureau's own keys and pins.

    python -m coordinator.flower.edge_program --home HOME --host HOST --port PORT
        --link 127.0.0.1:PORT --link-certificate FILE

The passphrase of a sealed home comes as everywhere (`models/hosting/trust/passphrase.py`). New keys and pins
are taken up within a second, without a restart.
"""

import argparse
from pathlib import Path
from typing import Final

from coordinator.flower.edge import edge_app
from crypto.identifiers import Role
from models.hosting.https.connection import Limits
from models.hosting.https.door import Entrance
from models.hosting.https.server import serve
from models.hosting.operation.logs import configure_logs
from models.hosting.operation.supervisor import Service
from models.hosting.trust.home import NodeHome
from models.hosting.trust.passphrase import read_passphrase

PARTICIPANTS: Final = frozenset({Role.DEPARTMENT, Role.BANK})
# A SuperNode needs three: its loop, its heartbeats, and two transfers at a time on those of its loop.
_LIMITS: Final = Limits(connections=512, connections_of_a_party=16)


def serve_edge(home: NodeHome, *, host: str, port: int, link: str, link_certificate: Path) -> None:
    """Serve until SIGTERM. Raises `TlsUnusable` and `ListenRefused`."""
    entrance = Entrance(home, roles=PARTICIPANTS)
    app = edge_app(home.pins.documents, link=link, certificate_pem=link_certificate.read_bytes())
    serve(app, host=host, port=port, context_factory=entrance.context, changed=entrance.state, limits=_LIMITS)


def edge_service(home: Path, *, host: str, port: int, link: str, link_certificate: Path) -> Service:
    """The edge as a supervised process."""
    arguments = [
        *("--home", str(home), "--host", host, "--port", str(port)),
        *("--link", link, "--link-certificate", str(link_certificate)),
    ]
    return Service("edge", "coordinator.flower.edge_program:main", arguments)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="coordinator.flower.edge_program", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--home", required=True, type=Path, help="the bureau's home")
    parser.add_argument("--host", required=True, help="the address to listen on")
    parser.add_argument("--port", required=True, type=int, help="the port to listen on")
    parser.add_argument("--link", required=True, metavar="HOST:PORT", help="where the SuperLink listens")
    parser.add_argument("--link-certificate", required=True, type=Path, help="the SuperLink's certificate (PEM)")
    options = parser.parse_args()
    configure_logs()
    home = NodeHome.open(options.home, passphrase=read_passphrase())
    serve_edge(home, host=options.host, port=options.port, link=options.link, link_certificate=options.link_certificate)


if __name__ == "__main__":
    main()
