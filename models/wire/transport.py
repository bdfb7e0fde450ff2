"""The outermost layer of every message between the bureau and a participant: one header, one body of bytes.

What the carrier (Flower) is handed is always the same two records, so that either side can refuse at the door
whatever is not shaped like this:

    header   flat values: version, kind, request (and in a reply: refusal, empty unless the participant refused)
    body     one array of raw bytes, `dtype` and `stype` as below, `shape` = (length,)

    request  {version: 1, kind: "training-gradient", request: "…"}                 + body
    reply    {version: 1, kind: the same, request: the same, refusal: ""}          + body
    refusal  {version: 1, kind: …, request: …, refusal: "MaskContextReused"}        + empty body

A refusal is a code and nothing else: the name of one of our errors, or one of `Refusal`. Text of an exception never
travels, because it may quote what the participant holds.

This layer says nothing about who speaks or what is meant: that is in the body, signed, where the bureau cannot
alter it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crypto.errors import MalformedMessage
from crypto.identifiers import RequestId

TRANSPORT_VERSION: Final = 1
MESSAGE_TYPE: Final = "query.step"
"""Flower's category and action; everything of ours goes through this one."""
MESSAGE_ACTION: Final = "step"
HEADER_RECORD: Final = "header"
BODY_RECORD: Final = "body"
BODY_ARRAY: Final = "bytes"
BODY_DTYPE: Final = "bytes"
BODY_STYPE: Final = "yurong"
MAXIMUM_BODY_BYTES: Final = 256 << 20
"""Larger than any step of ours by a factor of several; the carrier itself ends at 2 GiB an object."""

_KIND: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_CODE: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")


class Refusal(StrEnum):
    """Codes of the transport itself. Any other code is the name of the error that a participant raised."""

    MALFORMED = "MalformedMessage"
    UNKNOWN_VERSION = "UnknownVersion"
    TOO_LARGE = "BodyTooLarge"
    REPLY_TOO_LARGE = "ReplyTooLarge"
    REQUEST_ID_REUSED = "RequestIdReused"
    REQUEST_INTERRUPTED = "RequestInterrupted"
    NOT_CONFIGURED = "ParticipantNotConfigured"
    INTERNAL = "InternalError"
    APPROVAL_PENDING = "ApprovalPending"
    """An error of ours: this participant's operator has not decided on the run yet. Ask again."""
    RUN_REFUSED = "RunRefused"
    """An error of ours: the operator, or the policy, wants no part in the run."""


class TransportRefused(MalformedMessage):
    """A message that is refused at the door; `code` is what the other side is told."""

    def __init__(self, message: str, *, code: Refusal) -> None:
        super().__init__(message, advice="Both sides must run the same version of Yurong.")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeader:
    """Which step is asked for, and the id that all repetitions of this request share."""

    kind: str
    request_id: RequestId

    def __post_init__(self) -> None:
        if _KIND.fullmatch(self.kind) is None or _REQUEST_ID.fullmatch(self.request_id) is None:
            raise TransportRefused("a message's kind or request id is malformed", code=Refusal.MALFORMED)

    def values(self) -> dict[str, int | str]:
        """The header record."""
        return {"version": TRANSPORT_VERSION, "kind": self.kind, "request": str(self.request_id)}

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> "RequestHeader":
        """Read a header record from outside; raises `TransportRefused`."""
        kind, request = _fields(values, "kind", "request")
        return cls(kind=kind, request_id=RequestId(request))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyHeader:
    """The answer's header. `refusal` is empty for an answer, a code for a refusal.

    A participant that could not read the request's header refuses with an empty kind and request id.
    """

    kind: str
    request_id: str
    refusal: str = ""

    def __post_init__(self) -> None:
        if self.refusal and _CODE.fullmatch(self.refusal) is None:
            raise TransportRefused("a refusal carries something other than a code", code=Refusal.MALFORMED)

    def values(self) -> dict[str, int | str]:
        """The header record."""
        return {
            "version": TRANSPORT_VERSION,
            "kind": self.kind,
            "request": self.request_id,
            "refusal": self.refusal,
        }

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> "ReplyHeader":
        """Read a reply's header record from outside; raises `TransportRefused`."""
        kind, request, refusal = _fields(values, "kind", "request", "refusal")
        return cls(kind=kind, request_id=request, refusal=refusal)

    def answers(self, request: RequestHeader) -> bool:
        """Whether this reply is about `request`; a refusal may be about one whose header was not understood."""
        anonymous = bool(self.refusal) and not self.kind and not self.request_id
        return anonymous or (self.kind == request.kind and self.request_id == request.request_id)


def _fields(values: Mapping[str, object], *names: str) -> list[str]:
    version = values.get("version")
    if type(version) is not int:
        raise TransportRefused("a message's header has no version", code=Refusal.MALFORMED)
    if version != TRANSPORT_VERSION:
        raise TransportRefused(f"transport version {version} is not known here", code=Refusal.UNKNOWN_VERSION)
    if set(values) != {"version", *names}:
        raise TransportRefused("a message's header has missing or unknown fields", code=Refusal.MALFORMED)
    texts = [values[name] for name in names]
    if not all(type(text) is str for text in texts):
        raise TransportRefused("a field of a message's header is not text", code=Refusal.MALFORMED)
    return [str(text) for text in texts]


def check_body(dtype: str, shape: tuple[int, ...], stype: str, data: bytes, *, too_large: Refusal) -> bytes:
    """The body's bytes, if the array that carries them is as this layer makes it; raises `TransportRefused`."""
    if len(data) > MAXIMUM_BODY_BYTES:
        raise TransportRefused(
            f"a body of {len(data)} bytes; at most {MAXIMUM_BODY_BYTES} are accepted", code=too_large
        )
    if (dtype, shape, stype) != (BODY_DTYPE, (len(data),), BODY_STYPE):
        raise TransportRefused("a body is not an array of raw bytes of ours", code=Refusal.MALFORMED)
    return data
