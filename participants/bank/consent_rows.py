"""A bank's consents as its people read them.

| standing       | a score under it now                                                                          |
|----------------|-----------------------------------------------------------------------------------------------|
| `usable`       | can be asked for                                                                              |
| `used-up`      | not: it was used as often as it allows, in all or within thirty days                          |
| `not-begun`    | not yet                                                                                       |
| `not-logged`   | not until it was handed in: `yurong bank consent deposit`                                     |
| `ended`        | not: a department said why, in `ended`. If that has passed, as a pause does, hand it in again |
| `expired`      | not any more                                                                                  |

A bank does not follow the log: that an enterprise paused or revoked a consent it learns when it asks.
"""

from __future__ import annotations

from typing import Any, Final

from crypto.transparency.receipt import Receipt
from models.consent.uses import UsesLeft
from participants.bank.consents import HeldConsent
from participants.command.times import readable_time

_SHOWN_BYTES: Final = 8


def standing(held: HeldConsent, left: UsesLeft, *, now: float) -> str:
    """How a consent stands, in one word."""
    if now >= held.consent.expires_at:
        return "expired"
    if held.ended:
        return "ended"
    if held.receipt is None:
        return "not-logged"
    if now < held.consent.valid_from:
        return "not-begun"
    return "usable" if left.this_month else "used-up"


def consent_row(held: HeldConsent, left: UsesLeft, *, now: float) -> dict[str, Any]:
    """One row: what it allows, how it stands, what is left of it. The enterprise is this bank's customer."""
    given = held.consent
    return {
        "consent": beginning(held.digest),
        "enterprise_id": given.enterprise_id,
        "purpose": given.purpose.value,
        "computation": given.computation.value,
        "standing": standing(held, left, now=now),
        "ended": held.ended,
        "uses_left": left.in_all,
        "uses_left_this_month": left.this_month,
        "from": readable_time(given.valid_from),
        "until": readable_time(given.expires_at),
        "leaf": leaf_of(held),
        "missing_departments": list(held.missing),
    }


def leaf_of(held: HeldConsent) -> int | None:
    """Where a consent stands in the log, if it was handed in."""
    return None if held.receipt is None else Receipt.decode(held.receipt).index


def beginning(digest: bytes) -> str:
    """What a digest is shown by: enough of it to tell it from others."""
    return digest[:_SHOWN_BYTES].hex()
