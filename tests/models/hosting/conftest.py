"""Nodes that were thrown together: an identity and a certificate each, and who has pinned whom."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from crypto.certificates import certificate_pem, make_certificate
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, PublicIdentity
from models.hosting.https.parties import Parties
from models.hosting.https.signatures import NonceMemory, RequestSigner, RequestVerifier
from models.hosting.https.tls import client_context, server_context

TAG = "yurong-tests"


class SetClock:
    """Stands where it was put."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


@dataclass(frozen=True, kw_only=True)
class Document:
    """The part of a participant's document that hosting reads."""

    role: Role
    identity: PublicIdentity
    certificate: bytes


@dataclass(kw_only=True)
class Node:
    """One party with its keys."""

    name: ParticipantId
    role: Role
    directory: Path
    identity: Identity = field(default_factory=Identity.generate)
    certificate: bytes = b""

    def __post_init__(self) -> None:
        self.renew()

    @property
    def files(self) -> tuple[Path, Path]:
        return self.directory / f"{self.name}.pem", self.directory / f"{self.name}.key"

    @property
    def document(self) -> Document:
        return Document(role=self.role, identity=self.identity.public, certificate=self.certificate)

    def renew(self, *, now: dt.datetime | None = None) -> None:
        """Take a new certificate, made `now`; the files are exchanged."""
        made = make_certificate("127.0.0.1", now=now or dt.datetime.now(dt.UTC))
        self.certificate = made.certificate_der
        self.files[0].write_bytes(certificate_pem(made.certificate_der))
        self.files[1].write_bytes(made.private_key)

    def server_context(self, *clients: bytes) -> ssl.SSLContext:
        return server_context(*self.files, None, clients)

    def client_context(self, *servers: bytes) -> ssl.SSLContext:
        return client_context(*self.files, None, servers)

    def signer(self, clock: SetClock, tag: str = TAG) -> RequestSigner:
        return RequestSigner(self.identity, self.name, tag=tag, clock=clock)


@dataclass
class World:
    """A department that has pinned a bureau and a bank; a stranger that nobody knows. `pinned`: by the department."""

    tax: Node
    bureau: Node
    bank: Node
    stranger: Node
    clock: SetClock = field(default_factory=SetClock)
    authorities: set[str] = field(default_factory=lambda: {"127.0.0.1:8443"})
    pinned: dict[ParticipantId, list[Document]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pinned |= {node.name: [node.document] for node in (self.bureau, self.bank)}

    @property
    def parties(self) -> Parties:
        return Parties(lambda: self.pinned)

    def verifier(self, **changes: object) -> RequestVerifier:
        settings: dict[str, object] = {"authorities": lambda: self.authorities, "tag": TAG, "clock": self.clock}
        nonces = changes.pop("nonces", NonceMemory())
        return RequestVerifier(self.parties.keys, nonces, **(settings | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def new_world(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], World]:
    """Makes a world of its own for whoever changes it."""

    def make() -> World:
        directory = tmp_path_factory.mktemp("nodes")

        def node(name: str, role: Role) -> Node:
            return Node(name=ParticipantId(name), role=role, directory=directory)

        return World(
            node("tax", Role.DEPARTMENT), node("bureau", Role.BUREAU), node("bank", Role.BANK), node("x", Role.BANK)
        )

    return make


@pytest.fixture(scope="session")
def shared_world(new_world: Callable[[], World]) -> World:
    """One for all who only look."""
    return new_world()


@pytest.fixture
def world(shared_world: World) -> World:
    """A world whose clock and pins may be changed; its keys are shared."""
    pinned = {name: list(documents) for name, documents in shared_world.pinned.items()}
    return replace(shared_world, clock=SetClock(), authorities={"127.0.0.1:8443"}, pinned=pinned)
