"""The score of one enterprise, online: `docs/protocols.md`, "Score of one enterprise".

bank   -> bureau  OfferRequest       which departments are up?         reply Offer: the set S, and who is missing
bank   -> bureau  ScoreRequest       a signed document, and the question sealed to each department of S
bureau -> dept.   RelayedRequest     the same document, this department's box, the proofs that the box is of the
                                     document and the document in the log, and the log since this department saw it
dept.  -> bureau  DepartmentAnswer   its masked partial under the bank's Paillier key; its cosignature of the log
bureau -> bank    ScoreAnswer        the product of those ciphertexts; the receipt of the request
bank   -> bureau  ReceiptRequest     the receipt that was not to be had then  reply ReceiptReply
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
from crypto.transparency.consistency import MAXIMUM_STEPS
from crypto.transparency.receipt import MAXIMUM_RECEIPT_BYTES
from models.wire.codec import Count, Digest, Name, WireMessage
from models.wire.log_view import LogExtension
from models.wire.reasons import SealedReasons
from models.wire.score_statement import MAXIMUM_DEPARTMENTS, MAXIMUM_DOCUMENT_BYTES

_PATH_STEPS = MAXIMUM_DEPARTMENTS.bit_length()

_Document = Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_DOCUMENT_BYTES)]
_Box = Annotated[bytes, msgspec.Meta(max_length=128)]
_Path = Annotated[bytes, msgspec.Meta(max_length=DIGEST_BYTES * _PATH_STEPS)]
_Ciphertext = Annotated[bytes, msgspec.Meta(max_length=1024)]
_Inclusion = Annotated[bytes, msgspec.Meta(max_length=DIGEST_BYTES * MAXIMUM_STEPS)]
_Cosignature = Annotated[bytes, msgspec.Meta(max_length=72)]
_Receipt = Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_RECEIPT_BYTES)]
_Reasons = Annotated[tuple[SealedReasons, ...], msgspec.Meta(max_length=2)]
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
    """A `ScoreRequest` as one department gets it. `path`: from its box to the root that the bank signed.

    extension: the log as it is shown to this department. index, inclusion: the place of the request's entry in it, and
    the digests from there to the root.
    """

    MAXIMUM_BYTES: ClassVar[int] = LogExtension.MAXIMUM_BYTES
    document: _Document
    box: _Box
    path: _Path
    extension: LogExtension
    index: Count
    inclusion: _Inclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentAnswer(WireMessage):
    """One department's masked partial under the bank's key, for the request of this digest.

    cosignature: of the checkpoint that it was asked under, or nothing if it has seen the log go on since. reasons: its
    masked points lost, sealed to each who may open them.
    """

    MAXIMUM_BYTES: ClassVar[int] = 1 << 12
    request: Digest
    ciphertext: _Ciphertext
    cosignature: _Cosignature
    reasons: _Reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAnswer(WireMessage):
    """The sum of S under the bank's key. It is over S as the bank signed it, or it is noise.

    receipt: that the request is in the log (`.tlog-proof`), under the cosignatures that there are so far. reasons: what
    each of S has sealed, in its order.
    """

    MAXIMUM_BYTES: ClassVar[int] = 1 << 20
    request: Digest
    ciphertext: _Ciphertext
    receipt: _Receipt
    reasons: Annotated[tuple[_Reasons, ...], msgspec.Meta(max_length=MAXIMUM_DEPARTMENTS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRequest(WireMessage):
    """A bank asks for the receipt of a request of its, by its digest."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 6
    request: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptReply(WireMessage):
    """The receipt (`.tlog-proof`), cosigned by a quorum."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 18
    receipt: _Receipt


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
