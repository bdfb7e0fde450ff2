"""What the coordinator raises.

YurongError
└── CoordinatorError
    ├── ParticipantsLost       some did not answer in time; what the others said is in it
    ├── ParticipantRefused     one answered with an error code
    ├── DirectoryIncomplete    participants of the plan are not connected
    ├── NothingToResume        a run without a checkpoint
    ├── ApprovalsMissing       participants that did not decide on a run in time
    ├── RunUnderWay            a run that another process conducts
    ├── LinkFailed             the SuperLink does not answer, or does not do what it was asked
    │   └── NodesRefused       it does not register some participants' nodes, and will not
    ├── FlowerUnknown          Flower is not as this release expects it, so nothing starts
    ├── LogError               the transparency log
    │   ├── LogMissing         there is none
    │   ├── LogExists          there is one, and it is not made again
    │   ├── LogDamaged         its files are not what its head says
    │   ├── LogContended       somebody else appends to it, or it is unknown how an append ended: open it again
    │   └── LogNotWitnessed    too few departments have cosigned it in time
    ├── ModelNotServed         no scores are given by a model
    ├── DepartmentUnavailable  a department gave no answer to a score request
    ├── DepartmentRefused      a department refused a score request
    ├── BadAnswer              a department answered a score request with something that is no answer
    └── GatewayBusy            a bank has too many requests waiting

The last four are also `models.hosting.errors.RequestRefused`: each names the problem that the bank is answered with.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from crypto.errors import PeerError, YurongError
from crypto.identifiers import ParticipantId
from models.hosting.errors import RequestRefused
from models.hosting.https import problems, proof_problems
from models.hosting.https.problems import ProblemKind


class CoordinatorError(YurongError):
    """The root of what the coordinator raises."""


class LinkFailed(CoordinatorError):
    """The SuperLink does not answer, or did not do what the bureau asked of it."""


class NodesRefused(LinkFailed):
    """Nodes whose keys the SuperLink does not take."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted(names))
        super().__init__(
            f"the SuperLink does not register {', '.join(self.names)}",
            advice="A key that was removed once stays out: let the node rotate its keys, and pin the new document.",
        )


class LogError(CoordinatorError):
    """What is wrong with the transparency log. Who asks is told to ask again."""

    problem_kind: ClassVar[ProblemKind] = problems.NOT_READY


class LogMissing(LogError):
    """There is no transparency log."""


class LogExists(LogError):
    """There is a transparency log; another one in its place would be a fork of it."""


class LogDamaged(LogError):
    """The log's files do not lead to the state that its head says."""


class LogContended(LogError):
    """Another process appends to the log, or it is not known how an append ended."""


class LogNotWitnessed(LogError):
    """Fewer departments than a majority have cosigned a state of the log in time."""

    problem_kind: ClassVar[ProblemKind] = proof_problems.TOO_FEW_WITNESSES


class FlowerUnknown(CoordinatorError):
    """The installed Flower lacks a seam that this release builds its protection on."""


class LossReason(StrEnum):
    """Why a participant counts as lost."""

    NO_REPLY = "no-reply-before-the-deadline"
    UNAVAILABLE = "not-connected"
    CRASHED = "its-program-crashed"
    OTHER_RELEASE = "another-release-installed"
    UNREACHABLE = "message-not-accepted"
    MALFORMED_REPLY = "reply-not-understood"


class ParticipantsLost(CoordinatorError):
    """Some participants gave no usable answer in time.

    `lost`: reason by participant. `replies`: bodies of those that did answer.
    """

    def __init__(self, lost: Mapping[ParticipantId, LossReason], replies: Mapping[ParticipantId, bytes]) -> None:
        names = ", ".join(f"{name} ({reason})" for name, reason in sorted(lost.items()))
        super().__init__(f"no answer from {names}", advice="The round can be run again with those that are left.")
        self.lost = dict(lost)
        self.replies = dict(replies)


class ParticipantRefused(CoordinatorError):
    """A participant answered with an error code; asking again would not change that.

    `replies`: bodies of those that had answered by then.
    """

    def __init__(self, participant: ParticipantId, code: str, replies: Mapping[ParticipantId, bytes]) -> None:
        super().__init__(f"{participant} refused: {code}", advice=f"The reason is in the log of {participant}.")
        self.participant = participant
        self.code = code
        self.replies = dict(replies)


class DirectoryIncomplete(CoordinatorError):
    """Participants that the plan names are not connected."""

    def __init__(self, missing: Iterable[ParticipantId]) -> None:
        self.missing = tuple(sorted(missing))
        super().__init__(f"not connected: {', '.join(self.missing)}", advice="Start their nodes, then start the run.")


class ApprovalsMissing(CoordinatorError):
    """Nobody refused a run, and some did not approve it before the bureau's deadline."""

    def __init__(self, pending: Iterable[ParticipantId]) -> None:
        self.pending = tuple(sorted(pending))
        super().__init__(
            f"not approved in time by {', '.join(self.pending)}", advice="Speak with them, then propose a new run."
        )


class RunUnderWay(CoordinatorError):
    """A run that another process of this bureau conducts at this moment."""


class NothingToResume(CoordinatorError):
    """A run was to be taken up again that never came to its first round."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"no checkpoint in {directory}", advice="Start a new run.")


class ModelNotServed(CoordinatorError, PeerError):
    """A score is asked for by a model that is not served."""

    problem_kind: ClassVar[ProblemKind] = problems.UNKNOWN_MODEL


class DepartmentUnavailable(CoordinatorError, RequestRefused):
    """A department of S gave no usable answer to a score request. `lost`: reason by department."""

    def __init__(self, lost: Mapping[ParticipantId, LossReason]) -> None:
        names = ", ".join(f"{name} ({reason})" for name, reason in sorted(lost.items()))
        super().__init__(problems.DEPARTMENT_UNAVAILABLE, f"no answer from {names}")
        self.lost = dict(lost)


class DepartmentRefused(CoordinatorError, RequestRefused):
    """A department refused a score request, for a reason of which the bank may hear. `whose`: what it refused."""

    def __init__(self, department: ParticipantId, kind: ProblemKind, *, whose: str = "") -> None:
        super().__init__(kind, f"refused by {department}" + (f": {whose}" if whose else ""))
        self.department = department


class BadAnswer(CoordinatorError, RequestRefused):
    """A department answered with something that is no answer."""

    def __init__(self, detail: str) -> None:
        super().__init__(problems.BAD_ANSWER, detail)


class GatewayBusy(CoordinatorError, RequestRefused):
    """A bank has as many requests waiting as it may have."""

    def __init__(self) -> None:
        super().__init__(problems.TOO_MANY_REQUESTS, "too many requests of this bank are waiting")
