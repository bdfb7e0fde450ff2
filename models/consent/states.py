"""The state of a consent: a function of the document, its changes in the order of the log, and the time.

                     ┌── reject ──> REJECTED
    PENDING ─────────┤
       │             └──────────┐
       │ valid_from             │ revoke, from any of the three
       v                        v
    ACTIVE <── resume ── PAUSED ──> REVOKED
       └────── pause ──────^
    any of the three ── expires_at ──> EXPIRED

Every reader of one log comes to the same state. What is in the log cannot be taken back, so a change that is impossible
where it stands counts for nothing: if it were an error, one bad entry would jam a consent. Who is about to log a change
asks `require_possible` first and hears why not.

Clocks are wrong, and old entries can be logged again by whoever keeps the log. Hence:

- What restricts counts as soon as it is logged, whatever time it claims. A revocation beats a pause, and beats a start
  that is to come and expiry, which are readings of a clock; after a rejection or revocation nothing counts.
- What opens must be later than what it opens: a resumption counts only if its `at` is after that of every pause before
  it. So an old resumption that is logged again ends no later pause.
- A pause may come before valid_from: the consent is PENDING until then and PAUSED from then on.
- A rejection is of a consent that has not begun (`at` before valid_from); afterwards one revokes.
- A change that claims a time to come is not logged: a resumption of next year would end every pause until then.
- `now` is the reader's. Whoever knows a later time than its own clock's (of a checkpoint that it has seen) passes that
  one: a clock that is set back must not wake an expired consent.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from crypto.errors import ProtocolStateError
from models.consent.errors import ConsentRefused, ImpossibleChange
from models.wire.consent import Consent
from models.wire.consent_change import ConsentChange, What


class ConsentState(StrEnum):
    """Where a consent is; the last three are final."""

    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    REVOKED = "revoked"
    EXPIRED = "expired"
    REJECTED = "rejected"


CLOCK_TOLERANCE_SECONDS: Final = 300
"""So far ahead of the reader's clock may the time of a change be."""

FINAL: Final = frozenset({ConsentState.REVOKED, ConsentState.EXPIRED, ConsentState.REJECTED})
"""What a consent never leaves; a new one takes its place."""

_POSSIBLE: Final = {
    ConsentState.PENDING: frozenset({What.PAUSE, What.RESUME, What.REVOKE, What.REJECT}),
    ConsentState.ACTIVE: frozenset({What.PAUSE, What.REVOKE}),
    ConsentState.PAUSED: frozenset({What.RESUME, What.REVOKE}),
    # A clock that is ahead must not keep anybody from revoking.
    ConsentState.EXPIRED: frozenset({What.REVOKE}),
    ConsentState.REVOKED: frozenset(),
    ConsentState.REJECTED: frozenset(),
}


def state_of(consent: Consent, changes: Sequence[ConsentChange], now: int) -> ConsentState:
    """The state of `consent` at `now` (seconds), after `changes` in the order of the log.

    Raises `ProtocolStateError` for a change of another consent.
    """
    ended, paused_at = _after(consent, changes)
    if ended is not None:
        return ended
    if now >= consent.expires_at:
        return ConsentState.EXPIRED
    if now < consent.valid_from:
        return ConsentState.PENDING
    return ConsentState.ACTIVE if paused_at is None else ConsentState.PAUSED


def require_active(consent: Consent, changes: Sequence[ConsentChange], now: int) -> None:
    """Raise `ConsentRefused`, naming the state, unless the consent may be used at `now`."""
    state = state_of(consent, changes, now)
    if state is not ConsentState.ACTIVE:
        advice = "Ask the enterprise for a new consent." if state in FINAL else "Wait until the consent is active."
        raise ConsentRefused(f"the consent is {state}", advice=advice)


def require_possible(consent: Consent, changes: Sequence[ConsentChange], change: ConsentChange, now: int) -> None:
    """Raise `ImpossibleChange` unless `change` would do something to `consent` if it were logged next."""
    state = state_of(consent, changes, now)
    if change.at > now + CLOCK_TOLERANCE_SECONDS:
        raise ImpossibleChange("a change claims a time to come", advice="Set the clock of the device that signs.")
    if change.what not in _POSSIBLE[state]:
        advice = "A consent that has ended stays so; make a new one." if state in FINAL else "Revoke it to end it."
        raise ImpossibleChange(f"a consent that is {state} has nothing to {change.what}", advice=advice)
    if _after(consent, [*changes, change]) == _after(consent, changes):
        raise ImpossibleChange(
            f"the time of this change leaves it nothing to {change.what}",
            advice="Resume later than the last pause says, and reject before the consent begins; see to the clock.",
        )


def _after(consent: Consent, changes: Sequence[ConsentChange]) -> tuple[ConsentState | None, int | None]:
    """What ended the consent, and the latest time of a pause that holds; None where there is none."""
    digest = consent.digest() if changes else b""
    if any(change.consent_digest != digest for change in changes):
        raise ProtocolStateError("a change of another consent was counted for this one")
    paused, latest_pause = False, -1
    for change in changes:
        if change.what is What.REVOKE:
            return ConsentState.REVOKED, None
        if change.what is What.REJECT and change.at < consent.valid_from:
            return ConsentState.REJECTED, None
        if change.what is What.PAUSE:
            paused, latest_pause = True, max(latest_pause, change.at)
        elif change.what is What.RESUME and change.at > latest_pause:
            paused = False
    return None, latest_pause if paused else None
