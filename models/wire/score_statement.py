"""What a bank signs to ask for one score: `docs/protocols.md`, "Score of one enterprise".

An RFC 8785 document (`crypto.documents`), so that one signature holds for all departments:

    {"bank": ..., "bank_serial": of the bank's document in force, "boxes": root of the hash tree over the boxes,
     "computation": of the consent's, "departments": S as bits, "expires_at": seconds since 1970,
     "follows": digest of the first request under this id, or empty, "key_fingerprint": of the Paillier key,
     "model_version": ..., "purpose": of the consent's, "request_id": 32 hexadecimal digits,
     "serials": of the documents of S, "use_tag": what the log's entry is found by}

S is a number in hexadecimal digits: bit i, counted from the lowest, stands for the department of place i among all
departments of the model, sorted. Serials and boxes are in the order of S.

Under which consent a bank asks is in the boxes (`Question`): the bureau sees the purpose, and not the enterprise.
A request that is made anew, for another S, is the same use of the consent: it has the same id and tag, and says which
was the first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from crypto.documents import JsonObject, sign_document, split_document
from crypto.errors import MalformedMessage, PeerError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId, parse_participant_id
from crypto.identity import MAXIMUM_SERIAL, Identity, PublicIdentity
from crypto.labels import Label, labelled
from crypto.merkle import DIGEST_BYTES, MerkleTree, leaf_digest, root_of_path
from models.enterprise_id import parse_enterprise_id
from models.wire.consent import Computation, Purpose
from models.wire.document_fields import member_of
from models.wire.log_entry import EntryKind, LogEntry

MAXIMUM_LIFETIME_SECONDS: Final = 300
"""No request is valid for longer."""

MAXIMUM_DEPARTMENTS: Final = 256
"""So many departments has a model at most."""

MAXIMUM_DOCUMENT_BYTES: Final = 1 << 12

_FIELDS: Final = frozenset(
    {
        "bank",
        "bank_serial",
        "boxes",
        "computation",
        "departments",
        "expires_at",
        "follows",
        "key_fingerprint",
        "model_version",
        "purpose",
        "request_id",
        "serials",
        "use_tag",
    }
)
_HALF_DIGEST: Final = re.compile(r"[0-9a-f]{32}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NO_DIGEST: Final = re.compile(r"(?:[0-9a-f]{64})?")
_BITS: Final = re.compile(rf"[1-9a-f][0-9a-f]{{0,{MAXIMUM_DEPARTMENTS // 4 - 1}}}")
_LATEST_EXPIRY: Final = 1 << 40
_ID_CHARACTERS: Final = 18
_USE_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreStatement:
    """What a bank signs.

    bits: S, see above. serials: of the documents of S. boxes: the root of the tree over the sealed questions.
    use_tag: 16 bytes. follows: 32 bytes, or none.
    """

    request_id: RequestId
    bank: ParticipantId
    bank_serial: int
    model_version: ModelVersion
    key_fingerprint: bytes
    expires_at: int
    bits: int
    serials: tuple[int, ...]
    boxes: bytes
    purpose: Purpose
    computation: Computation
    use_tag: bytes
    follows: bytes = b""

    def sign(self, identity: Identity) -> bytes:
        """The signed document."""
        return sign_document(identity, Label.SCORE_REQUEST, self.fields())

    def fields(self) -> JsonObject:
        """What the document says."""
        return {
            "bank": self.bank,
            "bank_serial": self.bank_serial,
            "boxes": self.boxes.hex(),
            "computation": self.computation.value,
            "departments": f"{self.bits:x}",
            "expires_at": self.expires_at,
            "follows": self.follows.hex(),
            "key_fingerprint": self.key_fingerprint.hex(),
            "model_version": self.model_version,
            "purpose": self.purpose.value,
            "request_id": self.request_id,
            "serials": list(self.serials),
            "use_tag": self.use_tag.hex(),
        }

    def entry(self, document: bytes) -> LogEntry:
        """The log's entry for this statement, signed as `document`."""
        return LogEntry(kind=EntryKind.REQUEST, digest=request_digest(document), tag=self.use_tag)

    @classmethod
    def verify(cls, document: bytes, bank: PublicIdentity) -> ScoreStatement:
        """The statement in `document`, if `bank` signed these very bytes.

        Raises `SignatureInvalid` and `MalformedMessage`.
        """
        return SignedStatement.read(document).verify(bank)

    def departments(self, of: Sequence[ParticipantId]) -> tuple[ParticipantId, ...]:
        """S, among the sorted departments of the model; raises `PeerError` if these are fewer than it names."""
        if self.bits >> len(of):
            raise PeerError("a score is asked of departments that are not this model's")
        return tuple(name for place, name in enumerate(of) if self.bits >> place & 1)

    def holds_box(self, sealed: bytes, place: int, path: bytes) -> bool:
        """Whether the bank signed `sealed` as the box of this place in S. Raises `PeerError` for an impossible path."""
        return root_of_path(leaf_digest(sealed), place, len(self.serials), path) == self.boxes


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A document whose signature is not verified yet: it says whose key to verify it with, and nothing else counts."""

    claimed: ScoreStatement
    body: bytes
    signature: bytes

    @classmethod
    def read(cls, document: bytes) -> SignedStatement:
        """Raises `MalformedMessage` for all that is not one signed statement in its one form."""
        body, signature = split_document(document, maximum_bytes=MAXIMUM_DOCUMENT_BYTES)
        claimed = _statement(_fields(body))
        if _canonical(claimed.fields()) != body:
            raise MalformedMessage("a score request is not in canonical form")
        return cls(claimed, body, signature)

    def verify(self, bank: PublicIdentity) -> ScoreStatement:
        """The statement, if `bank` signed these very bytes; raises `SignatureInvalid`."""
        bank.verify(Label.SCORE_REQUEST, self.body, self.signature)
        return self.claimed


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Question:
    """What is sealed to each department: whom a bank asks about, under which consent, and the use's number.

    enterprise id, 18 characters ‖ digest of the consent, 32 bytes ‖ number, 4 bytes big-endian
    """

    enterprise_id: EnterpriseId
    consent: bytes
    use: int

    def __repr__(self) -> str:
        return "<Question: about somebody>"

    def encode(self) -> bytes:
        """The plaintext of a box."""
        return self.enterprise_id.encode("ascii") + self.consent + self.use.to_bytes(_USE_BYTES, "big")

    @classmethod
    def decode(cls, data: bytes) -> Question:
        """What `encode` gave; raises `MalformedMessage` and `InvalidEnterpriseId`."""
        if len(data) != _ID_CHARACTERS + DIGEST_BYTES + _USE_BYTES:
            raise MalformedMessage("a sealed question is not of its length")
        name, rest = data[:_ID_CHARACTERS], data[_ID_CHARACTERS:]
        try:
            enterprise_id = parse_enterprise_id(name.decode("ascii"))
        except UnicodeDecodeError:
            raise MalformedMessage("a sealed enterprise id is no text") from None
        return cls(enterprise_id=enterprise_id, consent=rest[:DIGEST_BYTES], use=int.from_bytes(rest[DIGEST_BYTES:]))


def bits_of(departments: Iterable[ParticipantId], of: Sequence[ParticipantId]) -> int:
    """S as bits among the sorted departments `of` a model; raises `PeerError` if one is not of them."""
    places = {name: place for place, name in enumerate(of)}
    try:
        return sum(1 << place for place in {places[name] for name in departments})
    except KeyError:
        raise PeerError("a score is asked of departments that are not this model's") from None


def tree_of_boxes(boxes: Iterable[bytes]) -> MerkleTree:
    """The tree over sealed questions in the order of S: its root is signed, its paths go along with the boxes."""
    return MerkleTree.of([leaf_digest(sealed) for sealed in boxes])


def box_context(request_id: RequestId, bank: ParticipantId, version: ModelVersion, department: ParticipantId) -> bytes:
    """What a question is sealed under: a box is of no use in another request, by whomever."""
    parts = (request_id, bank, version, department)
    return labelled(Label.SCORE_REQUEST, *(part.encode() for part in parts))


def request_digest(document: bytes) -> bytes:
    """The SHA-256 (32 bytes) that stands for a request: of the signed document as it was received."""
    return hashlib.sha256(document).digest()


def _fields(body: bytes) -> JsonObject:
    try:
        fields = json.loads(body.decode("ascii"))
    except (ValueError, RecursionError):
        raise MalformedMessage("a score request is not JSON") from None
    if not isinstance(fields, dict):
        raise MalformedMessage("a score request is not a JSON object")
    return fields


def _canonical(fields: JsonObject) -> bytes:
    """What RFC 8785 makes of names in ASCII, strings of the characters that a statement has, and small whole numbers.

    Every department reads every request, and `crypto.documents` takes ten times as long for what may be any document.
    """
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _statement(fields: JsonObject) -> ScoreStatement:
    if fields.keys() != _FIELDS:
        raise MalformedMessage("a score request has other fields than it should")
    bits, serials = int(_text(fields["departments"], _BITS), 16), fields["serials"]
    if not isinstance(serials, list) or len(serials) != bits.bit_count():
        raise MalformedMessage("a score request does not name one document of each department")
    return ScoreStatement(
        request_id=RequestId(_text(fields["request_id"], _HALF_DIGEST)),
        bank=parse_participant_id(_text(fields["bank"])),
        bank_serial=_number(fields["bank_serial"], 1, MAXIMUM_SERIAL),
        model_version=ModelVersion(_text(fields["model_version"], _HALF_DIGEST)),
        key_fingerprint=bytes.fromhex(_text(fields["key_fingerprint"], _DIGEST)),
        expires_at=_number(fields["expires_at"], 0, _LATEST_EXPIRY - 1),
        bits=bits,
        serials=tuple(_number(serial, 1, MAXIMUM_SERIAL) for serial in serials),
        boxes=bytes.fromhex(_text(fields["boxes"], _DIGEST)),
        purpose=member_of(Purpose, fields["purpose"]),
        computation=member_of(Computation, fields["computation"]),
        use_tag=bytes.fromhex(_text(fields["use_tag"], _HALF_DIGEST)),
        follows=bytes.fromhex(_text(fields["follows"], _NO_DIGEST)),
    )


def _text(value: object, pattern: re.Pattern[str] | None = None) -> str:
    if not isinstance(value, str) or (pattern is not None and pattern.fullmatch(value) is None):
        raise MalformedMessage("a field of a score request has not its form")
    return value


def _number(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise MalformedMessage("a number of a score request is none that it could be")
    return value
