"""`yurong department uses` and `permissions`: what became of this department's data, and who may ask for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from models.hosting.command.options import HERE, AsJson, HomeOption, show_rows
from participants.command.times import readable_time
from participants.department.settings import DepartmentSettings
from participants.home import Home

Last = Annotated[int, typer.Option(min=1, max=1_000_000, help="so many, the newest first")]

_SHOWN_BYTES: Final = 8


class ViewCommands:
    """The commands; `open_home` opens the department's home."""

    def __init__(self, open_home: Callable[[Path], Home]) -> None:
        self._open_home = open_home

    def add_to(self, app: typer.Typer) -> None:
        """Add the commands to the department's."""
        app.command()(self.uses)
        app.command()(self.permissions)

    def uses(self, *, last: Last = 20, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Show every use of this department's data: when, by whom, for what, by which model, and where it is logged."""
        from participants.department.data_uses import latest_uses
        from participants.department.database import open_database

        rows = [
            {
                "used": readable_time(use.used_at),
                "bank": use.bank,
                "purpose": use.purpose.value,
                "computation": use.computation.value,
                "model": use.model_version,
                "leaf": use.position,
                "consent": beginning(use.consent),
            }
            for use in latest_uses(open_database(self._open_home(home)), last)
        ]
        show_rows(rows, as_json=as_json, nothing="nobody has used this department's data yet")

    def permissions(
        self,
        *,
        history: Annotated[bool, typer.Option("--history", help="all that was ever said, in order")] = False,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Show who may do what, as this department sees it in the log, and at which leaf of it that stands."""
        from participants.department.database import open_database
        from participants.department.evidence import Evidence
        from participants.department.log.permission_rows import permission_rows

        opened = self._open_home(home)
        database = open_database(opened)
        permissions = Evidence.of_settings(opened, database, DepartmentSettings.read(home)).permissions
        with database.reading() as connection:
            said = permissions.history(connection)
        rows = permission_rows(said, permissions.bureau, history=history)
        show_rows(rows, as_json=as_json, nothing="the log permits nothing yet, as far as this department has seen it")


def beginning(digest: bytes) -> str:
    """What a digest is shown by: enough of it to tell it from others."""
    return digest[:_SHOWN_BYTES].hex()
