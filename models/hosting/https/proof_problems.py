"""The problems of requests without the proof or the consent that they need: rows of the table in `problems.py`.

Each step that a department takes before it answers (`participants/department/score_checks.py`) has one of its own.
"""

from __future__ import annotations

from typing import Final

from models.hosting.https.problem_kind import ProblemKind

_NEW_CONSENT: Final = "Ask the enterprise for a consent that allows it."

LOG_BEHIND: Final = ProblemKind(
    slug="log-behind",
    status=409,
    title="The department has not seen the log up to where the proof begins",
    advice="The bureau shows it the rest; send the same bytes again.",
    retry_after_seconds=1,
)
LOG_NOT_EXTENDED: Final = ProblemKind(
    slug="log-not-extended",
    status=409,
    title="The log that was shown does not go on from the one that the department has seen",
    advice="The department keeps what it was shown: `yurong department witness status`. The bureau answers for it.",
)
LOG_STOPPED: Final = ProblemKind(
    slug="log-stopped",
    status=403,
    title="The department holds evidence that the log was forked, and answers nothing",
    advice="Its operator compares with the other departments, and then settles the alarm.",
)
TOO_FEW_WITNESSES: Final = ProblemKind(
    slug="too-few-witnesses",
    status=409,
    title="Fewer witnesses than a quorum stand for the log that was shown",
    advice="Ask again when more departments are up.",
)
NOT_IN_LOG: Final = ProblemKind(
    slug="not-in-log",
    status=403,
    title="The request is not where its proof says that it is in the log",
    advice="The bureau logs a request before it relays it; its log says why it did not.",
)
CLOCK_DISPUTED: Final = ProblemKind(
    slug="clock-disputed",
    status=503,
    title="The department's clock is not that of the other witnesses",
    advice="Its operator sets the clock; scores are given without this department until then.",
    retry_after_seconds=5,
)
CONSENT_UNKNOWN: Final = ProblemKind(
    slug="consent-unknown",
    status=403,
    title="The department holds no such consent",
    advice="Hand the consent in again: `yurong bank consent deposit`.",
)
CONSENT_INVALID: Final = ProblemKind(
    slug="consent-invalid",
    status=403,
    title="The consent is not signed by a passkey that was registered for the enterprise",
    advice="The enterprise signs with the passkey that a registrar has bound to it; the log names the registrars.",
)
CONSENT_NOT_LOGGED: Final = ProblemKind(
    slug="consent-not-logged",
    status=403,
    title="The consent or its passkey is not in the log before the request",
    advice="Hand the consent in, and ask when there is a receipt for it.",
)
CONSENT_OF_ANOTHER_BANK: Final = ProblemKind(
    slug="consent-of-another-bank", status=403, title="The consent is to another bank", advice=_NEW_CONSENT
)
CONSENT_OF_ANOTHER_ENTERPRISE: Final = ProblemKind(
    slug="consent-of-another-enterprise",
    status=403,
    title="The consent is another enterprise's",
    advice=_NEW_CONSENT,
)
CONSENT_FOR_ANOTHER_PURPOSE: Final = ProblemKind(
    slug="consent-for-another-purpose",
    status=403,
    title="The consent is for another purpose or computation",
    advice=_NEW_CONSENT,
)
CONSENT_WITHOUT_DEPARTMENT: Final = ProblemKind(
    slug="consent-without-department",
    status=403,
    title="The consent does not name the department",
    advice="Ask without the departments that it leaves out, or for a consent that names them.",
)
CONSENT_BEYOND_RULES: Final = ProblemKind(
    slug="consent-beyond-rules",
    status=403,
    title="The consent passes the bounds of the fair-use rules",
    advice="Ask the enterprise for a consent that keeps them; see that both sides have the same release.",
)
CONSENT_NOT_ACTIVE: Final = ProblemKind(
    slug="consent-not-active",
    status=403,
    title="The consent has not begun, is paused, or has ended",
    advice="The enterprise says which: `yurong bank consent list` shows what this bank knows of it.",
)
CONSENT_USED_UP: Final = ProblemKind(
    slug="consent-used-up",
    status=403,
    title="The consent was used as often as it allows",
    advice="Ask the enterprise for a new consent, or wait until the month of an earlier use is over.",
)
USE_TAKEN: Final = ProblemKind(
    slug="use-taken",
    status=409,
    title="Another request took this use of the consent first",
    advice="Make a new request under the next use.",
)
NOT_PERMITTED: Final = ProblemKind(
    slug="not-permitted",
    status=403,
    title="The bank is not permitted to ask by this model for this purpose",
    advice="The bureau permits it: `yurong bureau permit`.",
)
MODEL_NOT_APPROVED: Final = ProblemKind(
    slug="model-not-approved",
    status=403,
    title="The log has no approval of the model that is in force",
    advice="The bureau approves a model before scores are given by it: `yurong bureau approve`.",
)

PROOF_KINDS: Final = (
    *(LOG_BEHIND, LOG_NOT_EXTENDED, LOG_STOPPED, TOO_FEW_WITNESSES, NOT_IN_LOG, CLOCK_DISPUTED, CONSENT_UNKNOWN),
    *(CONSENT_INVALID, CONSENT_NOT_LOGGED, CONSENT_OF_ANOTHER_BANK, CONSENT_OF_ANOTHER_ENTERPRISE),
    *(CONSENT_FOR_ANOTHER_PURPOSE, CONSENT_WITHOUT_DEPARTMENT, CONSENT_BEYOND_RULES, CONSENT_NOT_ACTIVE),
    *(CONSENT_USED_UP, USE_TAKEN, NOT_PERMITTED, MODEL_NOT_APPROVED),
)
"""In the order in which a department looks."""
