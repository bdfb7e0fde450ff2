"""What a request that is refused is answered with: a problem of RFC 9457, out of one closed table.

    HTTP/1.1 403 Forbidden
    content-type: application/problem+json

    {"advice":"…","detail":"","status":403,"title":"…","type":"urn:yurong:problem:untrusted-key"}

| member | whose words                                                                              |
|--------|------------------------------------------------------------------------------------------|
| type   | the table's: `urn:yurong:problem:` and the slug                                          |
| title, status, advice | the table's, at both ends: a reader takes its own, not the sender's       |
| detail | empty, or what our code said on purpose with `RequestRefused`                            |

The text of an exception never travels, ours neither: a department's answer passes through the bureau, and a sentence
about a sealed id says something of the id. `docs/problems.md` tells the people at the other end what each type means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import Scope, Send

from crypto.documents import canonical_json
from crypto.errors import (
    InvalidCiphertext,
    MalformedMessage,
    MaskContextReused,
    PeerError,
    ProtectionUnavailable,
    SignatureInvalid,
    TooFewMembers,
    UntrustedKey,
)
from crypto.transparency.errors import NotConsistent, NotIncluded, OtherStateSeen, TooFewWitnesses
from models.hosting.errors import (
    BodyRefused,
    CertificateMismatch,
    DatabaseUnusable,
    Misdirected,
    RemoteProblem,
    RequestRefused,
    SignatureReplayed,
    SignatureStale,
    TooManyRequests,
)
from models.hosting.https.problem_kind import ProblemKind as ProblemKind  # noqa: PLC0414 - the table's own type
from models.hosting.https.proof_problems import (
    LOG_BEHIND,
    LOG_NOT_EXTENDED,
    NOT_IN_LOG,
    PROOF_KINDS,
    TOO_FEW_WITNESSES,
)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:yurong:problem:"
MAXIMUM_PROBLEM_BYTES: Final = 4096
MAXIMUM_DETAIL_CHARACTERS: Final = 300
STATE_KEY: Final = "problem"
"""Under this a request's state holds the slug of the problem it was answered with, for the metrics."""

_FIELDS: Final = frozenset({"advice", "detail", "status", "title", "type"})
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\u00a0-\u2027\u202f-\u205f\u3000-\ud7ff]")


_SIGN_AGAIN: Final = "Sign the request anew and send it again; see that the clocks of both sides agree."
_PIN: Final = "Both sides pin each other's current document, fingerprints compared by telephone."

MALFORMED: Final = ProblemKind(
    slug="malformed",
    status=400,
    title="The request is not in its one canonical form, or out of its bounds",
    advice="Both sides must run the same version of Yurong.",
)
SIGNATURE_INVALID: Final = ProblemKind(
    slug="signature-invalid",
    status=401,
    title="The request is not signed by the party that it names, over these very bytes",
    advice="Sign the method, authority, path and body that are sent, with the identity that the other side pinned.",
)
SIGNATURE_STALE: Final = ProblemKind(
    slug="signature-stale", status=401, title="The request's signature is outside its time", advice=_SIGN_AGAIN
)
SIGNATURE_REPLAYED: Final = ProblemKind(
    slug="signature-replayed", status=401, title="The request's signature was used before", advice=_SIGN_AGAIN
)
UNTRUSTED_KEY: Final = ProblemKind(
    slug="untrusted-key", status=403, title="The party or its key is not pinned here", advice=_PIN
)
CERTIFICATE_MISMATCH: Final = ProblemKind(
    slug="certificate-mismatch",
    status=403,
    title="The connection's certificate is not of the party that signed the request",
    advice=_PIN,
)
FORBIDDEN: Final = ProblemKind(
    slug="forbidden",
    status=403,
    title="The party is known and may not ask for this",
    advice="See docs/protocols.md for who asks what of whom.",
)
REQUEST_REFUSED: Final = ProblemKind(
    slug="request-refused",
    status=403,
    title="An honest party would not have sent this request",
    advice="The reason is in the log of the side that refused.",
)
NOT_FOUND: Final = ProblemKind(
    slug="not-found", status=404, title="There is nothing under this path", advice="Check the address and the version."
)
UNKNOWN_MODEL: Final = ProblemKind(
    slug="unknown-model",
    status=404,
    title="This version of the model is not served here",
    advice="Ask for the versions that are approved; a department must have approved the model as well.",
)
METHOD_NOT_ALLOWED: Final = ProblemKind(
    slug="method-not-allowed", status=405, title="The path knows another method", advice="Check the version."
)
BODY_TOO_SLOW: Final = ProblemKind(
    slug="body-too-slow",
    status=408,
    title="The request did not arrive in its time",
    advice="Send the body at once; look at the line between the two sides.",
)
REQUEST_CONFLICT: Final = ProblemKind(
    slug="request-conflict",
    status=409,
    title="The enterprise was answered with another set of departments",
    advice="Ask again when the departments of the earlier answer are up; the answer given then still holds.",
)
REQUEST_USED: Final = ProblemKind(
    slug="request-used",
    status=409,
    title="The request was used before and its answer is no longer kept",
    advice="Make a new request.",
)
KEY_NOT_IN_FORCE: Final = ProblemKind(
    slug="key-not-in-force",
    status=409,
    title="The request names a document or key that is not in force here",
    advice="Fetch a new offer; pin the newest documents of both sides.",
)
LENGTH_REQUIRED: Final = ProblemKind(
    slug="length-required", status=411, title="The request does not state its length", advice="Send a Content-Length."
)
BODY_TOO_LARGE: Final = ProblemKind(
    slug="body-too-large",
    status=413,
    title="The request's body is larger than allowed",
    advice="No request of Yurong is so large; check the version.",
)
UNSUPPORTED_MEDIA_TYPE: Final = ProblemKind(
    slug="unsupported-media-type",
    status=415,
    title="The request's media type is not taken here",
    advice="Send application/vnd.yurong+msgpack.",
)
MISDIRECTED: Final = ProblemKind(
    slug="misdirected",
    status=421,
    title="The request was signed for another server",
    advice="Use the address in this participant's current document.",
)
INVALID_ENTERPRISE_ID: Final = ProblemKind(
    slug="invalid-enterprise-id",
    status=422,
    title="The id is no unified social credit code",
    advice="A unified social credit code is the 18 characters on the business licence, in capitals, no spaces.",
)
INVALID_CIPHERTEXT: Final = ProblemKind(
    slug="invalid-ciphertext",
    status=422,
    title="A ciphertext is none under its key",
    advice="Both sides must use the Paillier key of the bank's pinned document.",
)
REQUEST_EXPIRED: Final = ProblemKind(
    slug="request-expired",
    status=422,
    title="The request is outside its time",
    advice="Make a new request; see that the clocks of both sides agree.",
)
TOO_MANY_REQUESTS: Final = ProblemKind(
    slug="too-many-requests",
    status=429,
    title="The party asks more than its share",
    advice="Ask again after the time in Retry-After.",
    retry_after_seconds=1,
)
HEADERS_TOO_LARGE: Final = ProblemKind(
    slug="headers-too-large", status=431, title="The request's headers are larger than allowed", advice="Send fewer."
)
INTERNAL: Final = ProblemKind(
    slug="internal",
    status=500,
    title="The server failed",
    advice="The reason is in its log. A request with the same bytes may be sent again.",
)
BAD_ANSWER: Final = ProblemKind(
    slug="bad-answer",
    status=502,
    title="A department gave no valid answer",
    advice="The bureau looks at the department's log and its own.",
)
DEPARTMENT_UNAVAILABLE: Final = ProblemKind(
    slug="department-unavailable",
    status=503,
    title="A department of the request's set did not answer",
    advice="Send the same bytes again, or fetch a new offer.",
    retry_after_seconds=1,
)
TOO_FEW_DEPARTMENTS: Final = ProblemKind(
    slug="too-few-departments",
    status=503,
    title="Too few departments are up for their answers to be protected",
    advice="Ask again when more departments are up.",
    retry_after_seconds=5,
)
NOT_READY: Final = ProblemKind(
    slug="not-ready",
    status=503,
    title="The server is starting, stopping or has not what it needs",
    advice="Ask again; /readyz on the server's own machine names what is missing.",
    retry_after_seconds=1,
)
DEADLINE_EXCEEDED: Final = ProblemKind(
    slug="deadline-exceeded",
    status=504,
    title="The answer was not there within the time",
    advice="Send the same bytes again: nothing is computed or counted twice.",
)
UNEXPLAINED: Final = ProblemKind(
    slug="unexplained",
    status=502,
    title="The other side refused without a problem that is understood here",
    advice="Check that the address is a Yurong node's and that both sides run the same version.",
)

KINDS: Final = {
    kind.slug: kind
    for kind in (
        *(MALFORMED, SIGNATURE_INVALID, SIGNATURE_STALE, SIGNATURE_REPLAYED, UNTRUSTED_KEY, CERTIFICATE_MISMATCH),
        *(FORBIDDEN, REQUEST_REFUSED, NOT_FOUND, UNKNOWN_MODEL, METHOD_NOT_ALLOWED, BODY_TOO_SLOW, REQUEST_CONFLICT),
        *(REQUEST_USED, KEY_NOT_IN_FORCE, LENGTH_REQUIRED, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, MISDIRECTED),
        *(INVALID_ENTERPRISE_ID, INVALID_CIPHERTEXT, REQUEST_EXPIRED, TOO_MANY_REQUESTS, HEADERS_TOO_LARGE, INTERNAL),
        *(BAD_ANSWER, DEPARTMENT_UNAVAILABLE, TOO_FEW_DEPARTMENTS, NOT_READY, DEADLINE_EXCEEDED, UNEXPLAINED),
        *PROOF_KINDS,
    )
}
"""The whole table, by slug: in the order of the statuses, and then `proof_problems.py`."""

_BY_ERROR: Final[dict[type[BaseException], ProblemKind]] = {
    MalformedMessage: MALFORMED,
    InvalidCiphertext: INVALID_CIPHERTEXT,
    SignatureInvalid: SIGNATURE_INVALID,
    SignatureStale: SIGNATURE_STALE,
    SignatureReplayed: SIGNATURE_REPLAYED,
    UntrustedKey: UNTRUSTED_KEY,
    CertificateMismatch: CERTIFICATE_MISMATCH,
    Misdirected: MISDIRECTED,
    TooManyRequests: TOO_MANY_REQUESTS,
    MaskContextReused: REQUEST_USED,
    OtherStateSeen: LOG_BEHIND,
    NotConsistent: LOG_NOT_EXTENDED,
    TooFewWitnesses: TOO_FEW_WITNESSES,
    NotIncluded: NOT_IN_LOG,
    PeerError: REQUEST_REFUSED,
    DatabaseUnusable: NOT_READY,
    TooFewMembers: TOO_FEW_DEPARTMENTS,
    ProtectionUnavailable: NOT_READY,
    TimeoutError: DEADLINE_EXCEEDED,
}
# What hosting must not import, by name: it knows nothing of credit, and no FastAPI.
_BY_NAME: Final = {"InvalidEnterpriseId": INVALID_ENTERPRISE_ID, "RequestValidationError": MALFORMED}
_BY_STATUS: Final = {
    kind.status: kind for kind in (MALFORMED, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED, UNSUPPORTED_MEDIA_TYPE)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One answer. `detail`: at most 300 printable characters; what is more or other is taken away."""

    kind: ProblemKind
    detail: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", _UNPRINTABLE.sub("?", self.detail[:MAXIMUM_DETAIL_CHARACTERS]))

    @property
    def type(self) -> str:
        """The URI that names the problem."""
        return TYPE_PREFIX + self.kind.slug

    @property
    def slug(self) -> str:
        """The short name in the table."""
        return self.kind.slug

    @property
    def title(self) -> str:
        """What is wrong, in one line."""
        return self.kind.title

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.kind.status

    @property
    def advice(self) -> str:
        """What a human can do about it."""
        return self.kind.advice

    def to_json(self) -> bytes:
        """The body of the answer: canonical JSON."""
        fields = {"advice": self.advice, "detail": self.detail, "status": self.status, "title": self.title}
        return canonical_json({**fields, "type": self.type})

    @classmethod
    def from_json(cls, data: bytes) -> Problem:
        """Read an answer's body; raises `MalformedMessage` for what is no problem of this table.

        Only the type and the detail are taken from it, so a hostile server has 300 printable characters to say.
        """
        if len(data) > MAXIMUM_PROBLEM_BYTES:
            raise MalformedMessage("a problem is too long")
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError):
            raise MalformedMessage("a problem is not JSON") from None
        if not isinstance(fields, dict) or fields.keys() != _FIELDS:
            raise MalformedMessage("a problem has other members than ours")
        name, detail = fields["type"], fields["detail"]
        if not isinstance(name, str) or not isinstance(detail, str) or not name.startswith(TYPE_PREFIX):
            raise MalformedMessage("a problem's type or detail is malformed")
        kind = KINDS.get(name.removeprefix(TYPE_PREFIX))
        if kind is None or type(fields["status"]) is not int or fields["status"] != kind.status:
            raise MalformedMessage("a problem is not in the table")
        return cls(kind=kind, detail=detail)

    def headers(self) -> list[tuple[str, str]]:
        """The headers that go with the body, its length not among them."""
        headers = [("content-type", MEDIA_TYPE), ("cache-control", "no-store")]
        if self.kind.retry_after_seconds is not None:
            headers.append(("retry-after", str(self.kind.retry_after_seconds)))
        return headers


def problem_of(error: BaseException) -> Problem:
    """The problem that `error` is answered with: `internal`, without a word, for all that the table does not know.

    An error class of a higher layer names its own: `problem_kind: ClassVar[ProblemKind] = REQUEST_CONFLICT`. An error
    that has several names one for itself.
    """
    if isinstance(error, RequestRefused):
        return Problem(kind=error.kind, detail=error.detail)
    if isinstance(error, BodyRefused):
        return Problem(kind=error.kind)
    if isinstance(error, HTTPException):
        return Problem(kind=_BY_STATUS.get(error.status_code, INTERNAL if error.status_code >= 500 else MALFORMED))
    own = vars(error).get("problem_kind")
    if isinstance(own, ProblemKind):
        return Problem(kind=own)
    for ancestor in type(error).__mro__:
        kind = vars(ancestor).get("problem_kind") or _BY_ERROR.get(ancestor) or _BY_NAME.get(ancestor.__name__)
        if isinstance(kind, ProblemKind):
            return Problem(kind=kind)
    return Problem(kind=INTERNAL)


def remote_problem(status: int, media_type: str, body: bytes) -> RemoteProblem:
    """What to raise for an answer that is no success. Never fails: what is no problem of ours is `unexplained`."""
    try:
        problem = Problem.from_json(body)
    except MalformedMessage:
        return RemoteProblem(Problem(kind=UNEXPLAINED))
    if media_type != MEDIA_TYPE or status != problem.status:
        return RemoteProblem(Problem(kind=UNEXPLAINED))
    return RemoteProblem(problem)


async def send_problem(scope: Scope, send: Send, problem: Problem, *, close: bool = False) -> None:
    """Answer a request of the ASGI interface. `close`: the connection ends, as the rest of the body is not read."""
    scope.setdefault("state", {})[STATE_KEY] = problem.slug
    body = problem.to_json()
    headers: Iterable[tuple[str, str]] = [*problem.headers(), ("content-length", str(len(body)))]
    if close:
        headers = [*headers, ("connection", "close")]
    raw = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers]
    await send({"type": "http.response.start", "status": problem.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
