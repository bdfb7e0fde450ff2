"""The score of one enterprise, online: `docs/protocols.md`, "Score of one enterprise".

bank   -> bureau  OfferRequest       which departments are up?         reply Offer: the set S, and who is missing
bank   -> bureau  ScoreRequest       a signed document, and the enterprise id sealed to each department of S
bureau -> dept.   RelayedRequest     the same document, this department's box, and the digests of all
dept.  -> bureau  DepartmentAnswer   its masked partial under the bank's Paillier key
bureau -> bank    ScoreAnswer        the product of those ciphertexts

What the bank signs is an RFC 8785 document (`crypto.documents`), so one signature holds for all departments:

    {"bank": ..., "boxes": SHA-256 over the boxes' SHA-256 in the order of S, "departments": [S, sorted],
     "expires_at": seconds since 1970, "key_fingerprint": of the Paillier key, "model_version": ...,
     "request_id": 32 hexadecimal digits}
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar, Final

import msgspec

from crypto.documents import sign_document, verify_document
from crypto.errors import MalformedMessage
from crypto.identifiers import ModelVersion, ParticipantId, RequestId, parse_participant_id
from crypto.identity import Identity, PublicIdentity
from crypto.labels import Label, labelled
from models.wire.codec import Digest, Name, WireMessage
from models.wire.envelope import Addressed

MAXIMUM_LIFETIME_SECONDS: Final = 300
"""No request is valid for longer."""

MAXIMUM_DOCUMENT_BYTES: Final = 1 << 15

_FIELDS: Final = frozenset(
    {"bank", "boxes", "departments", "expires_at", "key_fingerprint", "model_version", "request_id"}
)
_HALF_DIGEST: Final = re.compile(r"[0-9a-f]{32}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_LATEST_EXPIRY: Final = 1 << 40

_Document = Annotated[bytes, msgspec.Meta(max_length=MAXIMUM_DOCUMENT_BYTES)]
_Box = Annotated[bytes, msgspec.Meta(max_length=1024)]
_Ciphertext = Annotated[bytes, msgspec.Meta(max_length=1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreStatement:
    """What a bank signs. `departments`: S, sorted. `boxes`: what `digest_of_boxes` gives of all sealed ids."""

    request_id: RequestId
    bank: ParticipantId
    model_version: ModelVersion
    key_fingerprint: bytes
    expires_at: int
    departments: tuple[ParticipantId, ...]
    boxes: bytes

    def sign(self, identity: Identity) -> bytes:
        """The signed document."""
        fields = {
            "bank": self.bank,
            "boxes": self.boxes.hex(),
            "departments": list(self.departments),
            "expires_at": self.expires_at,
            "key_fingerprint": self.key_fingerprint.hex(),
            "model_version": self.model_version,
            "request_id": self.request_id,
        }
        return sign_document(identity, Label.SCORE_REQUEST, fields)

    @classmethod
    def verify(cls, document: bytes, bank: PublicIdentity) -> ScoreStatement:
        """The statement in `document`, if `bank` signed these very bytes.

        Raises `SignatureInvalid` and `MalformedMessage`.
        """
        fields = verify_document(document, bank, Label.SCORE_REQUEST, maximum_bytes=MAXIMUM_DOCUMENT_BYTES)
        if fields.keys() != _FIELDS or not isinstance(fields["departments"], list):
            raise MalformedMessage("a score request has other fields than it should")
        departments = tuple(parse_participant_id(_text(name)) for name in fields["departments"])
        if list(departments) != sorted(set(departments)):
            raise MalformedMessage("a score request does not list its departments in order, each once")
        if type(fields["expires_at"]) is not int or not 0 <= fields["expires_at"] < _LATEST_EXPIRY:
            raise MalformedMessage("a score request does not say when it expires")
        return cls(
            request_id=RequestId(_text(fields["request_id"], _HALF_DIGEST)),
            bank=parse_participant_id(_text(fields["bank"])),
            model_version=ModelVersion(_text(fields["model_version"], _HALF_DIGEST)),
            key_fingerprint=bytes.fromhex(_text(fields["key_fingerprint"], _DIGEST)),
            expires_at=fields["expires_at"],
            departments=departments,
            boxes=bytes.fromhex(_text(fields["boxes"], _DIGEST)),
        )


def box_context(request_id: RequestId, bank: ParticipantId, version: ModelVersion, department: ParticipantId) -> bytes:
    """What an enterprise id is sealed under: a box is of no use in another request, by whomever."""
    parts = (request_id, bank, version, department)
    return labelled(Label.SCORE_REQUEST, *(part.encode() for part in parts))


def box_digest(sealed: bytes) -> bytes:
    """The SHA-256 (32 bytes) of a sealed enterprise id."""
    return hashlib.sha256(sealed).digest()


def digest_of_boxes(digests: Iterable[bytes]) -> bytes:
    """The SHA-256 (32 bytes) that a statement holds of all boxes, from each one's in the order of S."""
    return hashlib.sha256(b"".join(digests)).digest()


def request_digest(document: bytes) -> bytes:
    """The SHA-256 (32 bytes) that stands for a request: of the signed document as it was received."""
    return hashlib.sha256(document).digest()


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
    """The set S that the bureau offers, and the departments of the model that are down. Both sorted."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 20
    departments: tuple[Name, ...]
    missing: tuple[Name, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest(WireMessage):
    """A signed document and the boxes that it stands for. Bank and model say where to look for its keys."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 20
    bank: Name
    model_version: Name
    document: _Document
    boxes: tuple[Addressed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayedRequest(WireMessage):
    """A `ScoreRequest` as one department gets it."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 16
    bank: Name
    model_version: Name
    document: _Document
    box: _Box
    digests: tuple[Digest, ...]  # of all boxes, in the order of S


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentAnswer(WireMessage):
    """One department's masked partial under the bank's key, for the request of this digest."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 12
    request: Digest
    department: Name
    ciphertext: _Ciphertext


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAnswer(WireMessage):
    """The sum of S under the bank's key, and the departments of the model that are not in it. Both sorted."""

    MAXIMUM_BYTES: ClassVar[int] = 1 << 20
    request: Digest
    departments: tuple[Name, ...]
    missing: tuple[Name, ...]
    ciphertext: _Ciphertext


def _text(value: object, pattern: re.Pattern[str] | None = None) -> str:
    if not isinstance(value, str) or (pattern is not None and pattern.fullmatch(value) is None):
        raise MalformedMessage("a field of a score request has not its form")
    return value
