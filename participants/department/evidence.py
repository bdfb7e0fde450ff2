"""What a department holds a score request against, besides keys: the log, who may do what, and consents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sqlalchemy import Connection

from crypto.identifiers import ParticipantId, parse_participant_id
from crypto.passkeys import RelyingParty
from models.hosting.storage.database import Database
from participants.department.consents.keeping import ConsentStore
from participants.department.log.alarms import require_not_forked
from participants.department.log.clocks import require_clock
from participants.department.log.permissions import LoggedPermissions
from participants.department.log.view import LogView
from participants.department.settings import DepartmentSettings
from participants.home import Home


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Evidence:
    """All of it, in one database."""

    view: LogView
    permissions: LoggedPermissions
    consents: ConsentStore

    def require_usable(self, connection: Connection) -> None:
        """Raise `LogStopped` or `ClockDisputed` if every request would be refused."""
        require_not_forked(connection)
        require_clock(connection, self.view.origin)

    @classmethod
    def of(
        cls,
        home: Home,
        database: Database,
        *,
        bureau: ParticipantId,
        relying_party: RelyingParty,
        quorum: int | None = None,
    ) -> Self:
        """The evidence of a home. relying_party: on whose pages enterprises consent. quorum: of witnesses, if set."""
        return cls(
            view=LogView(home, database, bureau, quorum=quorum),
            permissions=LoggedPermissions(bureau),
            consents=ConsentStore(home, database, relying_party),
        )

    @classmethod
    def of_settings(cls, home: Home, database: Database, settings: DepartmentSettings) -> Self:
        """The evidence of a home, as its settings have it."""
        return cls.of(
            home,
            database,
            bureau=parse_participant_id(settings.bureau),
            relying_party=settings.relying_party(),
            quorum=settings.witness_quorum or None,
        )
