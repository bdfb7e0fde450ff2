"""What one participant says to another through the bureau: signed, and bound to its place in the run.

The bureau relays envelopes. It cannot alter one, give one to somebody else as if meant for them, or replay one in
another run, round, attempt or step, or among other participants: the signature covers all of these.

    signature = Ed25519(ENVELOPE, SHA-256(place) | SHA-256(body))
    place     = run, plan digest, round, attempt, digest of the turn, step, sender, recipients
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

import msgspec

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from crypto.identity import Identity, PublicIdentity
from crypto.labels import Label
from models.wire.codec import Blob, Count, Digest, Name, WireMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(WireMessage):
    """Where in a run something is said, by whom and to whom."""

    run_id: Name
    plan_digest: Digest
    round: Count
    attempt: Count
    turn: Digest  # of all that belongs to the turn: who takes part in it
    step: Name
    sender: Name
    recipients: tuple[Name, ...]

    def digest(self) -> bytes:
        """SHA-256 of the place's canonical bytes: the context of sealed bodies."""
        return hashlib.sha256(self.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope(WireMessage):
    """A body, its place and the sender's signature over both."""

    place: Place
    body: Blob
    signature: Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]

    @classmethod
    def sign(cls, identity: Identity, place: Place, body: bytes) -> Envelope:
        """Put `body` into an envelope signed by `identity`, which must be the place's sender."""
        return cls(place=place, body=body, signature=identity.sign(Label.ENVELOPE, _statement(place, body)))

    def open(self, sender: PublicIdentity, expected: Place) -> bytes:
        """The body, if it was said by `sender` at the `expected` place.

        Raises `PeerError` for another place and `SignatureInvalid` for another signature.
        """
        if self.place != expected:
            raise PeerError(f"an envelope of step {expected.step} was said at another place of the run")
        sender.verify(Label.ENVELOPE, _statement(self.place, self.body), self.signature)
        return self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed(WireMessage):
    """An envelope's bytes and whom they are from or for: how the bureau sorts its post."""

    participant: Name
    payload: Blob


def post(items: dict[ParticipantId, bytes]) -> tuple[Addressed, ...]:
    """Payloads by participant in canonical order."""
    return tuple(Addressed(participant=name, payload=items[name]) for name in sorted(items))


def _statement(place: Place, body: bytes) -> bytes:
    return place.digest() + hashlib.sha256(body).digest()
