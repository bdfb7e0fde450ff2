"""A node's doors, made from its home: one that lets pinned parties in, and one that goes out to one of them.

Both follow the home: after a rotation or a pin the next connection is made by what is there then.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Collection, Sequence
from typing import Final

from starlette.types import ASGIApp

from crypto.identifiers import ParticipantId, Role
from crypto.identity import ParticipantDocument
from models.hosting.https.guard import Guard
from models.hosting.https.parties import Parties
from models.hosting.https.peer import Peer, Traffic, pinned_transport, uncounted
from models.hosting.https.signatures import NonceMemory, RequestSigner, RequestVerifier, authority_of
from models.hosting.https.tls import client_context, server_context
from models.hosting.trust.home import NodeHome

SCORES: Final = "yurong-scores"
"""The tag of signatures on what banks ask the gateway for."""
PARTIAL_SCORES: Final = "yurong-partial-scores"
"""The tag of signatures on what the bureau asks departments for."""

_LOG: Final = logging.getLogger("yurong.door")


class Entrance:
    """Lets requests of pinned parties of some roles in, if they were signed for the service of this node's role."""

    def __init__(self, home: NodeHome, *, roles: Collection[Role]) -> None:
        self._home = home
        self._tag = SCORES if home.role is Role.BUREAU else PARTIAL_SCORES
        self.parties = Parties(home.pins.documents, roles=roles)
        self._called: tuple[tuple[int, ...], list[str]] = ((), [])

    def guard(self, app: ASGIApp, *, maximum_body_bytes: int) -> Guard:
        """`app` behind this door."""
        verifier = RequestVerifier(
            self.parties.keys, NonceMemory(), authorities=self._authorities, tag=self._tag, clock=self._home.clock
        )
        return Guard(app, verifier=verifier, parties=self.parties, maximum_body_bytes=maximum_body_bytes)

    def context(self) -> ssl.SSLContext:
        """The server's side of TLS as it is now; raises `TlsUnusable`. Keys that are no longer used are removed first.

        Not to be called in the event loop: it reads and may write files.
        """
        home = self._home
        try:
            home.tidy()
        except OSError as error:
            _LOG.error("keys that are no longer used could not be removed", extra={"error": error})
        return server_context(*home.tls_identity(), self.parties.anchors())

    def state(self) -> tuple[tuple[int, ...], frozenset[bytes]]:
        """Another value after every change of what `context` is made of, and when keys may no longer be used."""
        return self._home.serials(), self.parties.anchors()

    def _authorities(self) -> list[str]:
        """The names that requests may call this node by: those of its documents in use."""
        serials = self._home.serials()
        if self._called[0] != serials:
            addresses = [one.address for one in own_documents(self._home)]
            # A home may have got its address with its newest keys alone.
            self._called = serials, [authority_of(one) for one in addresses if one]
        return self._called[1]


class WayOut:
    """Calls pinned parties in this node's name: the bureau departments, everybody else the bureau."""

    def __init__(self, home: NodeHome) -> None:
        self._home = home
        self._tag = PARTIAL_SCORES if home.role is Role.BUREAU else SCORES
        self._signers: dict[int, RequestSigner] = {}

    def peer(self, name: ParticipantId, *, traffic: Traffic = uncounted) -> Peer:
        """A pinned party, as this node's current keys and its documents in force say that it is reached."""
        return Peer(
            name,
            documents=lambda: self._home.pins.documents().get(name, ()),
            signer=self,
            new_transport=pinned_transport(self._context),
            own=lambda: self._home.serial,
            traffic=traffic,
        )

    def sign(self, method: str, url: str, body: bytes) -> dict[str, str]:
        """The headers that show who sends a request, by the identity that is current."""
        serial = self._home.serial
        if serial not in self._signers:
            signer = RequestSigner(
                self._home.identity(), self._home.participant_id, tag=self._tag, clock=self._home.clock
            )
            self._signers = {serial: signer}
        return self._signers[serial].sign(method, url, body)

    def _context(self, certificates: Sequence[bytes]) -> ssl.SSLContext:
        home = self._home
        return client_context(*home.tls_identity(), certificates)


def own_documents(home: NodeHome) -> list[ParticipantDocument]:
    """A node's own documents whose keys are in use, newest first."""
    fingerprints = {serial: identity.public.fingerprint() for serial, identity in home.identities().items()}
    return [ParticipantDocument.verify(data, fingerprints[serial]) for serial, data in home.documents().items()]
