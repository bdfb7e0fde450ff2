"""Every error of a node's hosting.

    YurongError
    ├── HostingError
    │   ├── TlsUnusable            a certificate or private key that no connection can be made with
    │   ├── ListenRefused          the address cannot be listened on
    │   ├── FileRefused            a file that an operator named cannot be used
    │   ├── SettingsRefused        a node's settings that are missing, or cannot be understood
    │   ├── RequestRefused         what a handler raises to answer with one problem of the table
    │   ├── RemoteProblem          the other side answered with a problem
    │   └── PeerUnreachable        the other side did not answer
    ├── ProtectionUnavailable
    │   └── DatabaseUnusable       the node's database cannot be opened, read or written
    │       └── SchemaOutdated     it is of another release, or was never made
    └── PeerError
        ├── SignatureInvalid
        │   ├── SignatureStale     a request's signature outside its time
        │   └── SignatureReplayed  a request's signature that was used before
        ├── UntrustedKey
        │   └── CertificateMismatch  a TLS certificate that is none of the party that signed
        ├── Misdirected            a request that was signed for another server
        ├── TooManyRequests        a party asks more than can be kept account of
        └── BodyRefused            a body too large, too slow or of no stated length

The problems that they are answered with stand in `models.hosting.https.problems`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crypto.errors import PeerError, ProtectionUnavailable, SignatureInvalid, UntrustedKey, YurongError
from crypto.identifiers import ParticipantId

if TYPE_CHECKING:
    from models.hosting.https.problems import Problem, ProblemKind


class HostingError(YurongError):
    """The root of what goes wrong in hosting a node."""


class TlsUnusable(HostingError):
    """A certificate or private key cannot be used: unreadable, sealed with another passphrase, not a pair."""


class ListenRefused(HostingError):
    """The address cannot be listened on: taken, or not of this machine."""


class RequestRefused(HostingError):
    """A request is answered with the problem `kind`.

    `detail` goes to the caller and to whoever relays the answer: it holds nothing that one of them may not know.
    """

    def __init__(self, kind: ProblemKind, detail: str = "") -> None:
        super().__init__(detail or kind.title, advice=kind.advice)
        self.kind = kind
        self.detail = detail


class RemoteProblem(HostingError):
    """The other side answered with `problem`. Its detail is their text, cut and printable; it goes into no log."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"the other side answered: {problem.title}", advice=problem.advice)
        self.problem = problem


class PeerUnreachable(HostingError):
    """The other side gave no answer. `sent`: whether it may have read the request all the same."""

    def __init__(self, peer: ParticipantId, reason: str, *, sent: bool) -> None:
        super().__init__(f"no answer from {peer}: {reason}", advice="Look whether it runs, and at the line to it.")
        self.peer = peer
        self.sent = sent


class SignatureStale(SignatureInvalid):
    """A request's signature is not valid yet, no longer, or for longer than any may be."""


class SignatureReplayed(SignatureInvalid):
    """A request's signature was used before."""


class CertificateMismatch(UntrustedKey):
    """The TLS certificate of a connection is none of the party that signed the request."""


class Misdirected(PeerError):
    """A request that its sender signed for another server."""


class TooManyRequests(PeerError):
    """A party sent more requests within their time than this server keeps account of."""


class BodyRefused(PeerError):
    """A request's body is not read to its end; `kind` says why."""

    def __init__(self, kind: ProblemKind) -> None:
        super().__init__(kind.title, advice=kind.advice)
        self.kind = kind


class FileRefused(HostingError):
    """A file that the operator named cannot be read or written."""


class SettingsRefused(HostingError):
    """A node's settings cannot be used. Nothing starts with settings that were only half understood."""


class DatabaseUnusable(ProtectionUnavailable):
    """The node's database cannot be used. The message never holds its address, which may have a password in it."""


class SchemaOutdated(DatabaseUnusable):
    """The tables are not those of this release. The advice names the command that makes them so, if there is one."""
