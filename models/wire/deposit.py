"""How a consent comes to those who are to heed it, and a change of it: `docs/protocols.md`, "Consent".

bank   -> bureau  ConsentDeposit    two entries for the log, the consent sealed to each department    reply Deposited
bureau -> dept.   SealedConsent     this department's box                                             reply Kept
bank   -> bureau  SignedChange      a change of a consent, which needs no seal                        reply Deposited

The bureau learns that a bank was given a consent, and for how many departments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from crypto.identifiers import ParticipantId
from crypto.labels import Label, labelled
from models.wire.codec import Name, WireMessage
from models.wire.envelope import Addressed
from models.wire.score_statement import MAXIMUM_DEPARTMENTS

_Entry = Annotated[bytes, msgspec.Meta(min_length=1, max_length=255)]
_Box = Annotated[bytes, msgspec.Meta(max_length=1 << 15)]
_Receipt = Annotated[bytes, msgspec.Meta(max_length=1 << 17)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDeposit(WireMessage):
    """A bank hands in a consent. passkey, consent: the entries that are to be in the log."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 21
    passkey: _Entry
    consent: _Entry
    boxes: Annotated[tuple[Addressed, ...], msgspec.Meta(max_length=MAXIMUM_DEPARTMENTS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited(WireMessage):
    """The receipt (`.tlog-proof`) of the entry, and the departments that did not take their box now."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 18
    receipt: _Receipt
    missing: tuple[Name, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedConsent(WireMessage):
    """A consent as one department gets it. bank: who handed it in."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 16
    bank: Name
    box: _Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept(WireMessage):
    """The department has verified the consent and keeps it."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 6


def consent_context(bank: ParticipantId, department: ParticipantId) -> bytes:
    """What a consent is sealed under to a department."""
    return labelled(Label.SEALED_CONSENT, bank.encode(), department.encode())
