"""Whether a consent allows what a bank asks, in the order in which it is looked at.

    1  this department keeps the consent                    it verified the passkey's signature when it took it in
    2  consent and passkey stand in the log before the request, and the registrar was permitted to register then
    3  it is to this bank
    4  it is the enterprise's that the bank asks about
    5  it is for this purpose and computation
    6  it names this department
    7  it keeps the fair-use rules that are in force
    8  it is active: begun, not paused, revoked, rejected or expired
    9  the use is one of its own, the first request of this number in the log, and within its numbers in all and a month

Steps 2, 8 and 9 are of the log as this department has seen it, the request's own entry last. All departments that have
seen the same log come to the same answer, but for the time: so of many requests that are made at once for one use each
department admits the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn

from sqlalchemy import Connection

from crypto.identifiers import ParticipantId
from models.consent.errors import BeyondFairUse, ConsentRefused, NoUseLeft
from models.consent.rules import packaged_rules, require_within_rules
from models.consent.states import require_active
from models.consent.uses import require_use_left
from models.hosting.https import proof_problems as problems
from models.hosting.https.problem_kind import ProblemKind
from models.hosting.storage.statement import Prepared
from models.wire.consent import Computation
from models.wire.score_statement import Question, ScoreStatement
from participants.department.consents.keeping import ConsentStore, KeptConsent
from participants.department.errors import ConsentUnusable
from participants.department.log.entries import LoggedUse, position_of, use_of
from participants.department.log.permissions import LoggedPermissions

_ALLOWS: Final = {
    Computation.SCORE: frozenset({Computation.SCORE}),
    Computation.SCORE_WITH_REASONS: frozenset({Computation.SCORE, Computation.SCORE_WITH_REASONS}),
    Computation.MATCH: frozenset({Computation.MATCH}),
}
"""What may be computed under a consent to each: who may have reasons may do without them."""

FOLLOWS_SECONDS: Final = 86_400
"""So long after the first request of a use others may take its place: it is one answer that did not arrive.

Without an end to it a bank would have a new answer under one use whenever it liked.
"""

MAXIMUM_ANSWERS_OF_A_USE: Final = 8
"""So often a department answers what is made anew under one use: a bank makes four requests for a score, at most."""

_USED: Final = Prepared("SELECT request_id FROM data_uses WHERE tag = :tag")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Claimed:
    """What a bank asks under a consent. digest: of the signed request. index: of its entry in the log."""

    statement: ScoreStatement
    question: Question
    bank: ParticipantId
    me: ParticipantId
    digest: bytes
    index: int


def known_consent(store: ConsentStore, connection: Connection, claimed: Claimed) -> KeptConsent:
    """Step 1: the consent, whose signatures were verified when it was taken in."""
    kept = store.find(connection, claimed.question.consent)
    return kept if kept is not None else _refuse(problems.CONSENT_UNKNOWN, "a consent is not kept here")


def require_logged(permissions: LoggedPermissions, connection: Connection, claimed: Claimed, kept: KeptConsent) -> None:
    """Step 2."""
    positions = position_of(connection, kept.binding_digest), position_of(connection, kept.digest)
    passkey, consent = positions
    if passkey is None or consent is None or not max(passkey, consent) < claimed.index:
        _refuse(problems.CONSENT_NOT_LOGGED, "a consent or its passkey is not in the log before the request")
    if not permissions.registered(connection, kept.registrar, passkey):
        _refuse(problems.CONSENT_INVALID, "a passkey was registered by a department that was not permitted to")
    if permissions.passkey_withdrawn(connection, kept.passkey_tag, kept.registrar):
        _refuse(problems.CONSENT_INVALID, "a passkey was withdrawn by its registrar")


def require_bank(claimed: Claimed, kept: KeptConsent) -> None:
    """Step 3."""
    if kept.consent.recipient != claimed.bank:
        _refuse(problems.CONSENT_OF_ANOTHER_BANK, "a consent is to another bank")


def require_enterprise(claimed: Claimed, kept: KeptConsent) -> None:
    """Step 4."""
    if kept.consent.enterprise_id != claimed.question.enterprise_id:
        _refuse(problems.CONSENT_OF_ANOTHER_ENTERPRISE, "a consent is another enterprise's")


def require_purpose(claimed: Claimed, kept: KeptConsent) -> None:
    """Step 5."""
    consent, statement = kept.consent, claimed.statement
    if consent.purpose is not statement.purpose or statement.computation not in _ALLOWS[consent.computation]:
        _refuse(problems.CONSENT_FOR_ANOTHER_PURPOSE, "a consent is for another purpose or computation")


def require_provider(claimed: Claimed, kept: KeptConsent) -> None:
    """Step 6."""
    if claimed.me not in kept.consent.providers:
        _refuse(problems.CONSENT_WITHOUT_DEPARTMENT, "a consent does not name this department")


def require_within_bounds(kept: KeptConsent) -> None:
    """Step 7."""
    try:
        require_within_rules(kept.consent, packaged_rules())
    except BeyondFairUse as fault:
        _refuse(problems.CONSENT_BEYOND_RULES, fault.message)


def require_in_force(store: ConsentStore, connection: Connection, kept: KeptConsent, now: int) -> None:
    """Step 8."""
    try:
        require_active(kept.consent, store.changes(connection, kept), now)
    except ConsentRefused as fault:
        _refuse(problems.CONSENT_NOT_ACTIVE, fault.message)


def require_use(connection: Connection, claimed: Claimed, kept: KeptConsent, now: int) -> None:
    """Step 9. The bounds of step 7 hold, so there are few numbers to look at."""
    statement, number = claimed.statement, claimed.question.use
    if statement.use_tag != kept.tag(number):
        _refuse(problems.CONSENT_USED_UP, "a request is under another use than its tag says")
    if number >= kept.consent.maximum_uses:
        _refuse(problems.CONSENT_USED_UP, "a consent was used as often as it allows")
    first = use_of(connection, statement.use_tag)
    if first is None or first.digest not in (claimed.digest, statement.follows):
        _refuse(problems.USE_TAKEN, "another request took this use of the consent first")
    if first.digest != claimed.digest and now - first.seen_at > FOLLOWS_SECONDS:
        _refuse(problems.USE_TAKEN, "a request is in the place of one that was made too long ago")
    answered = [row[0] for row in _USED.run(connection, tag=statement.use_tag).fetchall()]
    if any(request_id != statement.request_id for request_id in answered):
        _refuse(problems.USE_TAKEN, "another request was answered under this use of the consent")
    if len(answered) >= MAXIMUM_ANSWERS_OF_A_USE:
        _refuse(problems.USE_TAKEN, "a request was made anew too often under one use of the consent")
    before = [use.seen_at for use in _other_uses(connection, kept, number) if use.position < first.position]
    try:
        require_use_left(kept.consent, before, now)
    except NoUseLeft as fault:
        _refuse(problems.CONSENT_USED_UP, fault.message)


def _other_uses(connection: Connection, kept: KeptConsent, number: int) -> list[LoggedUse]:
    tags = (kept.tag(other) for other in range(kept.consent.maximum_uses) if other != number)
    found = (use_of(connection, tag) for tag in tags)
    return [use for use in found if use is not None]


def _refuse(kind: ProblemKind, message: str) -> NoReturn:
    raise ConsentUnusable(kind, message)
