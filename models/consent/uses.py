"""How often a consent may still be used: in all, and within any thirty days.

    left in all         maximum_uses - uses
    left this month     uses_a_month - uses after now - 30 days

The month is any thirty days and not the calendar's. A calendar month would let a bank use two months' worth around
midnight of the last day, and midnight needs a time zone: in UTC it would come at eight in the morning in Chongqing.

A use that claims a time after `now` counts as one within the month: a clock that was set back gives no uses back.
Whoever answers counts and records a use in one transaction; this only says what the count allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.consent.errors import NoUseLeft
from models.wire.consent import Consent

MONTH_SECONDS: Final = 30 * 86_400
"""Any so long a time is a month."""


@dataclass(frozen=True, slots=True)
class UsesLeft:
    """How often a consent may still be used; never below 0. this_month is never more than in_all."""

    in_all: int
    this_month: int


def uses_left(consent: Consent, used_at: Sequence[int], now: int) -> UsesLeft:
    """What is left at `now` (seconds). used_at: the time of every use so far, in any order."""
    in_all = max(0, consent.maximum_uses - len(used_at))
    recent = sum(at > now - MONTH_SECONDS for at in used_at)
    return UsesLeft(in_all, min(in_all, max(0, consent.uses_a_month - recent)))


def require_use_left(consent: Consent, used_at: Sequence[int], now: int) -> None:
    """Raise `NoUseLeft` unless the consent may be used once more at `now`."""
    left = uses_left(consent, used_at, now)
    if left.in_all == 0:
        raise NoUseLeft("the consent was used as often as it allows", advice="Ask the enterprise for a new consent.")
    if left.this_month == 0:
        raise NoUseLeft(
            "the consent was used as often as it allows within thirty days",
            advice="Ask again when thirty days have passed since an earlier use.",
        )
