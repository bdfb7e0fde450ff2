"""What can go wrong when a bank asks for scores.

    YurongError
    └── ParticipantError
        ├── PortfolioRefused            a portfolio's file that cannot be read, or would be written over
        ├── PortfolioNotWritten         its scores are kept, their file could not be written
        ├── ConsentNotTaken             a consent that this bank cannot use
        ├── NotKept                     what was asked for is not in this bank's database
        └── ScoreFailed                 one score could not be had; `request_id` names the request
            ├── NoConsent               this bank has no consent to ask under
            ├── BureauUnreachable       the bureau gave no answer
            └── ScoreRefused            the bureau or a department refused; `problem` says why
                └── AnsweredWithAnotherSet  the enterprise was answered with another set of departments before

A message never holds an enterprise id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crypto.identifiers import RequestId
from participants.errors import ParticipantError

if TYPE_CHECKING:
    from models.hosting.https.problems import Problem
    from participants.bank.score_request import Score


class ScoreFailed(ParticipantError):
    """There is no score. `request_id`: of the last request that was made, if one was."""

    def __init__(self, message: str, *, advice: str = "", request_id: RequestId | None = None) -> None:
        super().__init__(message, advice=advice)
        self.request_id = request_id


class ConsentNotTaken(ParticipantError):
    """A consent that is not to this bank, or that the enterprise did not give."""


class NotKept(ParticipantError):
    """A receipt, or reasons, that this bank's database does not have."""


class NoConsent(ScoreFailed):
    """This bank has no consent of the enterprise for the purpose, or none with a use left. Nothing was asked."""

    def __init__(self, purpose: str) -> None:
        super().__init__(
            f"this bank has no consent of the enterprise to use for {purpose}",
            advice="Ask the enterprise for one, and hand it in: `yurong bank consent deposit FILE`.",
        )


class PortfolioRefused(ParticipantError):
    """A portfolio cannot be scored as it is. Nothing was asked."""


class PortfolioNotWritten(ParticipantError):
    """The scores of a portfolio are in the bank's database and could not be written into their file."""


class BureauUnreachable(ScoreFailed):
    """The bureau gave no answer for as long as this bank's patience."""


class ScoreRefused(ScoreFailed):
    """The bureau or a department refused. `problem`: one of those in `docs/problems.md`."""

    def __init__(self, problem: Problem, *, request_id: RequestId | None = None) -> None:
        said = f" ({problem.detail})" if problem.detail else ""
        super().__init__(f"{problem.title}{said}", advice=problem.advice, request_id=request_id)
        self.problem = problem


class AnsweredWithAnotherSet(ScoreRefused):
    """A department answered this bank about this enterprise with another set before, and answers with no other.

    `earlier`: the score that this bank got then, if it has one; it still holds. Otherwise a department went down in the
    middle of an earlier request: ask again when the departments of that one are up.
    """

    def __init__(self, problem: Problem, earlier: Score | None, *, request_id: RequestId | None = None) -> None:
        super().__init__(problem, request_id=request_id)
        self.earlier = earlier
