"""The consents that a department keeps, as its operator looks them up: how each stands now, and how often it was used.

| standing       | a request under it now                                                             |
|----------------|------------------------------------------------------------------------------------|
| a state        | is answered if that is `active`, within its uses (`models.consent.states`)         |
| `not-logged`   | is refused: consent or passkey is not in the log, as far as this department saw it |
| `unregistered` | is refused: the registrar was not permitted to register passkeys                   |
| `withdrawn`    | is refused: the registrar withdrew the passkey                                     |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from models.consent.states import FINAL, state_of
from models.hosting.storage.database import Database
from models.hosting.storage.statement import Prepared
from models.wire.consent import Consent
from participants.department.consents.keeping import KeptConsent
from participants.department.evidence import Evidence
from participants.department.log.entries import position_of

NOT_LOGGED: Final = "not-logged"
UNREGISTERED: Final = "unregistered"
WITHDRAWN: Final = "withdrawn"

_LATEST: Final = Prepared("SELECT digest FROM consents ORDER BY kept_at DESC, digest LIMIT :count")
_USES: Final = Prepared("SELECT COUNT(DISTINCT tag) FROM data_uses WHERE consent = :digest")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedConsent:
    """One consent. position: of its entry in the log, if it is there. uses: that this department has answered."""

    consent: Consent
    digest: bytes
    standing: str
    position: int | None
    uses: int


def latest_consents(evidence: Evidence, database: Database, count: int) -> list[ListedConsent]:
    """The last consents that were handed in, the newest first."""
    with database.reading() as connection:
        digests = [bytes(row[0]) for row in _LATEST.run(connection, count=count).fetchall()]
        found = (evidence.consents.find(connection, digest) for digest in digests)
        return [_listed(evidence, connection, kept) for kept in found if kept is not None]


def _listed(evidence: Evidence, connection: Connection, kept: KeptConsent) -> ListedConsent:
    return ListedConsent(
        consent=kept.consent,
        digest=kept.digest,
        standing=_standing(evidence, connection, kept),
        position=position_of(connection, kept.digest),
        uses=int(_USES.run(connection, digest=kept.digest).fetchone()[0]),
    )


def _standing(evidence: Evidence, connection: Connection, kept: KeptConsent) -> str:
    """How a consent stands. A state that is final comes first: whatever else is wrong, it stays ended."""
    now = evidence.view.now(connection)
    state = state_of(kept.consent, evidence.consents.changes(connection, kept), now)
    if state in FINAL:
        return state.value
    passkey = position_of(connection, kept.binding_digest)
    if passkey is None or position_of(connection, kept.digest) is None:
        return NOT_LOGGED
    if not evidence.permissions.registered(connection, kept.registrar, passkey):
        return UNREGISTERED
    if evidence.permissions.passkey_withdrawn(connection, kept.passkey_tag, kept.registrar):
        return WITHDRAWN
    return state.value
