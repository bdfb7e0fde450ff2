"""The score of one enterprise, online: `docs/protocols.md`, "Score of one enterprise".

bank   -> bureau  OfferRequest       which departments are up?         reply Offer: the set S, and who is missing
bank   -> bureau  ScoreRequest       a signed document, and the enterprise id sealed to each department of S
bureau -> dept.   RelayedRequest     the same document, this department's box, and the proof that it is of the document
dept.  -> bureau  DepartmentAnswer   its masked partial under the bank's Paillier key
bureau -> bank    ScoreAnswer        the product of those ciphertexts
bureau -> dept.   ReadyRequest       can you answer for this model?    reply ReadyReply: and under which serial

What the bank signs is in `models/wire/score_statement.py`. A message does not repeat what stands in it: S comes to 26
departments and back, and every byte of a request 26 times.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from crypto.identity import MAXIMUM_SERIAL
from crypto.merkle import DIGEST_BYTES
from models.wire.codec import Digest, Name, WireMessage
from models.wire.score_statement import MAXIMUM_DEPARTMENTS, MAXIMUM_DOCUMENT_BYTES

_PATH_STEPS = MAXIMUM_DEPARTMENTS.bit_length()

_Document = Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_DOCUMENT_BYTES)]
_Box = Annotated[bytes, msgspec.Meta(max_length=128)]
_Path = Annotated[bytes, msgspec.Meta(max_length=DIGEST_BYTES * _PATH_STEPS)]
_Ciphertext = Annotated[bytes, msgspec.Meta(max_length=1024)]
_Serial = Annotated[int, msgspec.Meta(ge=1, le=MAXIMUM_SERIAL)]


class OnlineStep(StrEnum):
    """What is said online: the kinds under which traffic is recorded."""

    OFFER = "score-offer"  # bank and bureau: which departments are up
    ASK = "score"  # bank and bureau: the signed request, the product of all answers
    RELAY = "score-relay"  # bureau and department: one box of the request, one encrypted answer


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRequest(WireMessage):
    """The bank asks which departments can answer for this model now."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 10
    model_version: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(WireMessage):
    """The set S that the bureau offers, and the departments of the model that are down. Both sorted.

    serials: of the document under which each of S answers now, in the order of `departments`.
    """

    MAXIMUM_BYTES: ClassVar[int] = 1 << 15
    departments: tuple[Name, ...]
    serials: tuple[_Serial, ...]
    missing: tuple[Name, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest(WireMessage):
    """A signed document, and the boxes that it stands for in the order of S."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 16
    document: _Document
    boxes: Annotated[tuple[_Box, ...], msgspec.Meta(max_length=MAXIMUM_DEPARTMENTS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayedRequest(WireMessage):
    """A `ScoreRequest` as one department gets it. `path`: from its box to the root that the bank signed."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 13
    document: _Document
    box: _Box
    path: _Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentAnswer(WireMessage):
    """One department's masked partial under the bank's key, for the request of this digest."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 11
    request: Digest
    ciphertext: _Ciphertext


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAnswer(WireMessage):
    """The sum of S under the bank's key. It is over S as the bank signed it, or it is noise."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 11
    request: Digest
    ciphertext: _Ciphertext


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyRequest(WireMessage):
    """The bureau asks whether a department can answer for a model."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 10
    model_version: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyReply(WireMessage):
    """Whether it can, and the serial of the document under which it answers."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 10
    serial: _Serial
    ready: bool
