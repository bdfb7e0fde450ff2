"""Who may call here: the pinned parties of some roles, with what each shows itself by.

One object answers for the three places that ask, so that they cannot differ:

    parties = Parties(pins.documents, roles={Role.BANK})
    server_context(..., anchors=parties.anchors())            TLS: who may connect
    RequestVerifier(parties.keys, ...)                        RFC 9421: whose signature is taken
    Guard(app, parties=parties, ...)                          that both are of the same party

All documents in force count: during a rotation a party has two, and its old certificate may stand beside its new key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from crypto.identifiers import ParticipantId, Role
from crypto.identity import PublicIdentity


class PinnedDocument(Protocol):
    """What is read of a pinned `ParticipantDocument`. `certificate`: DER, or empty."""

    @property
    def role(self) -> Role:
        """What the party is."""
        ...

    @property
    def identity(self) -> PublicIdentity:
        """The keys it signs with."""
        ...

    @property
    def certificate(self) -> bytes:
        """Its TLS certificate."""
        ...


class Parties:
    """The pinned parties of `roles`. `documents`: all that are in force, by name, read anew at each call."""

    def __init__(
        self,
        documents: Callable[[], Mapping[ParticipantId, Sequence[PinnedDocument]]],
        *,
        roles: Collection[Role] = frozenset(Role),
    ) -> None:
        self._documents = documents
        self._roles = frozenset(roles)

    def documents(self, name: ParticipantId) -> tuple[PinnedDocument, ...]:
        """A party's documents in force; none if it is not pinned or of another role."""
        return tuple(one for one in self._documents().get(name, ()) if one.role in self._roles)

    def keys(self, name: ParticipantId) -> tuple[PublicIdentity, ...]:
        """The identities in force of a party."""
        return tuple(one.identity for one in self.documents(name))

    def certificates(self, name: ParticipantId) -> frozenset[bytes]:
        """The DER certificates in force of a party."""
        return frozenset(one.certificate for one in self.documents(name) if one.certificate)

    def anchors(self) -> frozenset[bytes]:
        """The DER certificates in force of all parties: a server's trust anchors."""
        return frozenset().union(*map(self.certificates, self._documents()))
