"""`yurong department consent`: which consents are kept here, and changes that an enterprise hands in here itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.hosting.command.options import HERE, AsJson, HomeOption, show, show_rows
from models.hosting.command.trust import read_limited
from participants.command.times import readable_time
from participants.department.settings import DepartmentSettings
from participants.department.view_command import Last, beginning
from participants.home import Home

if TYPE_CHECKING:
    from models.hosting.storage.database import Database
    from participants.department.consents.listing import ListedConsent
    from participants.department.evidence import Evidence

Enterprises = Annotated[bool, typer.Option("--enterprises", help="name the enterprise of each")]


class ConsentCommands:
    """The commands; `open_home` opens the department's home."""

    def __init__(self, open_home: Callable[[Path], Home]) -> None:
        self._open_home = open_home

    def add_to(self, app: typer.Typer) -> None:
        """Add the group to the department's commands."""
        group = typer.Typer(help="The consents that this department keeps.")
        group.command("list")(self.list)
        group.command("hand-in")(self.hand_in)
        app.add_typer(group, name="consent")

    def list(
        self, *, last: Last = 20, enterprises: Enterprises = False, home: HomeOption = HERE, as_json: AsJson = False
    ) -> None:
        """Show the consents that banks handed in, and how each stands now. Enterprises are named if you ask for it."""
        from participants.department.consents.listing import latest_consents

        evidence, database = self._evidence(home)
        rows = [_row(one, enterprises=enterprises) for one in latest_consents(evidence, database, last)]
        show_rows(rows, as_json=as_json, nothing="no consent was handed in yet")

    def hand_in(
        self,
        file: Annotated[Path, typer.Argument(help="a change that `yurong enterprise` wrote")],
        *,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Take a pause, revocation or rejection from an enterprise itself: it counts here at once, logged or not."""
        from models.wire.signed_change import SignedChange

        evidence, _ = self._evidence(home)
        change = evidence.consents.hand_in(SignedChange.decode(read_limited(file)))
        facts = {
            "consent": beginning(change.consent_digest),
            "what": change.what.value,
            "reason": change.reason.value,
            "at": readable_time(change.at),
        }
        show(facts, as_json=as_json)

    def _evidence(self, directory: Path) -> tuple[Evidence, Database]:
        from participants.department.database import open_database
        from participants.department.evidence import Evidence

        opened = self._open_home(directory)
        database = open_database(opened)
        return Evidence.of_settings(opened, database, DepartmentSettings.read(directory)), database


def _row(listed: ListedConsent, *, enterprises: bool) -> dict[str, object]:
    given = listed.consent
    row: dict[str, object] = {
        "consent": beginning(listed.digest),
        "bank": given.recipient,
        "purpose": given.purpose.value,
        "computation": given.computation.value,
        "standing": listed.standing,
        "from": readable_time(given.valid_from),
        "until": readable_time(given.expires_at),
        "uses": listed.uses,
        "maximum_uses": given.maximum_uses,
        "leaf": listed.position,
    }
    return row | ({"enterprise_id": given.enterprise_id} if enterprises else {})
