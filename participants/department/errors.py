"""Every error of a department that answers score requests and witnesses the log.

    PeerError
    ├── UnknownModel            no part of such a model is here
    ├── RequestExpired          a score request outside its time
    ├── RequestUsed             a score request that was answered before, and whose answer is forgotten
    ├── AnsweredWithAnotherSet  an enterprise that was answered with another set of departments
    ├── LogStopped              evidence of a fork of the log is not settled
    ├── ConsentUnusable         the consent that a request is under: one class for each step that it fails at
    ├── NotPermitted            a bank that may not ask by this model for this purpose
    ├── ModelNotApproved        a model without an approval in the log
    └── UntrustedKey
        └── KeyNotInForce       a document or key that a request names and that is not in force here
    ParticipantError
    └── NoSuchAlarm             an alarm that is not there, or not open
    ProtectionUnavailable
    ├── ClockDisputed           this department's clock is not that of the other witnesses
    ├── ObfuscatorsExhausted    no obfuscator was ready within the request's time
    └── AnswersForgotten        a database that does not remember what was answered by a model

The problem that each is answered with stands beside it. A message never holds an enterprise id.
"""

from __future__ import annotations

from typing import ClassVar, Final

from crypto.errors import PeerError, ProtectionUnavailable, UntrustedKey
from crypto.identifiers import ModelVersion
from models.hosting.https import problems, proof_problems
from models.hosting.https.problems import ProblemKind
from participants.errors import ParticipantError

_NEW_REQUEST: Final = "The bank makes a new request."


class UnknownModel(PeerError):
    """A score is asked for by a model that this department has no part of."""

    problem_kind: ClassVar[ProblemKind] = problems.UNKNOWN_MODEL


class RequestExpired(PeerError):
    """A score request has expired, or says that it is valid for longer than any may be."""

    problem_kind: ClassVar[ProblemKind] = problems.REQUEST_EXPIRED

    def __init__(self, message: str) -> None:
        super().__init__(message, advice=f"{_NEW_REQUEST} Compare the clocks of both sides.")


class RequestUsed(PeerError):
    """A score request was used before, and its answer is not kept."""

    problem_kind: ClassVar[ProblemKind] = problems.REQUEST_USED

    def __init__(self) -> None:
        super().__init__("a score request was used before", advice=_NEW_REQUEST)


class AnsweredWithAnotherSet(PeerError):
    """Two sums over sets that differ by one department would give away its partial."""

    problem_kind: ClassVar[ProblemKind] = problems.REQUEST_CONFLICT

    def __init__(self) -> None:
        super().__init__(
            "an enterprise was already answered with another set of departments",
            advice="ask again when the same departments are up, or under a new model version",
        )


class LogStopped(PeerError):
    """Evidence of a fork of the log waits for the operator: nothing is answered."""

    problem_kind: ClassVar[ProblemKind] = proof_problems.LOG_STOPPED

    def __init__(self) -> None:
        super().__init__(
            "the log was forked, and nothing is answered",
            advice="Look at it with `yurong department witness status`, compare with other departments, settle it.",
        )


class NotPermitted(PeerError):
    """The log has no permission in force for what a bank asks."""

    problem_kind: ClassVar[ProblemKind] = proof_problems.NOT_PERMITTED

    def __init__(self) -> None:
        super().__init__("a bank may not ask by this model for this purpose", advice="The bureau permits it.")


class ModelNotApproved(PeerError):
    """The log has no approval in force of the model."""

    problem_kind: ClassVar[ProblemKind] = proof_problems.MODEL_NOT_APPROVED

    def __init__(self) -> None:
        super().__init__("the log has no approval of this model in force", advice="The bureau approves it.")


class NoSuchAlarm(ParticipantError):
    """An operator named an alarm of the log that is not there, was settled, or has nothing to show."""


class ClockDisputed(ProtectionUnavailable):
    """This department's clock is far from the other witnesses', so it cannot say what is in force."""

    problem_kind: ClassVar[ProblemKind] = proof_problems.CLOCK_DISPUTED

    def __init__(self) -> None:
        super().__init__("this department's clock is not that of the other witnesses", advice="Set it; see NTP.")


class ConsentUnusable(PeerError):
    """A request under a consent that does not allow it. `problem_kind`: at which step it fails."""

    def __init__(self, kind: ProblemKind, message: str) -> None:
        super().__init__(message, advice=kind.advice)
        self.problem_kind = kind


class KeyNotInForce(UntrustedKey):
    """A request names a document or a key that is not in force at this department."""

    problem_kind: ClassVar[ProblemKind] = problems.KEY_NOT_IN_FORCE

    def __init__(self, message: str) -> None:
        super().__init__(message, advice="Fetch a new offer; pin the newest documents of both sides.")


class ObfuscatorsExhausted(ProtectionUnavailable):
    """No obfuscator of a bank's key came within the request's time."""

    problem_kind: ClassVar[ProblemKind] = problems.NOT_READY

    def __init__(self) -> None:
        super().__init__("no obfuscator was ready in time", advice="Raise obfuscator_capacity, or ask more slowly.")


class AnswersForgotten(ProtectionUnavailable):
    """A database without the partials of a model that is here: it is another than the one this home answered from.

    So it does not hold with which set of departments enterprises were answered, either.
    """

    def __init__(self, version: ModelVersion) -> None:
        super().__init__(
            f"the database has no partials of model {version}: it is not the one that this home answered from",
            advice=f"name that one in database.url; if it is lost, say `yurong department retire {version}`",
        )
