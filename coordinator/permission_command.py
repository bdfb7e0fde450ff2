"""`yurong bureau permit`, `withdraw`, `permissions`, `submit`: who may do what, through the log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import click
import typer

from coordinator.home import BureauHome
from crypto.identifiers import ModelVersion, parse_participant_id
from models.hosting.command.options import HERE, AsJson, HomeOption, show_rows
from models.hosting.command.trust import read_limited
from models.wire.consent import Purpose

Grantee = Annotated[str, typer.Argument(help="a bank, or a department")]
Models = Annotated[list[str] | None, typer.Option("--model", help="a model's version; several are allowed")]
Purposes = Annotated[list[Purpose] | None, typer.Option("--purpose", help="what scores are for; several are allowed")]
Registrar = Annotated[bool, typer.Option("--register-passkeys", help="a department binds enterprises' passkeys")]


class PermissionCommands:
    """The commands; `open_home` opens the bureau's home."""

    def __init__(self, open_home: Callable[[Path], BureauHome]) -> None:
        self._open_home = open_home

    def add_to(self, app: typer.Typer) -> None:
        """Add the commands to the bureau's."""
        app.command()(self.permit)
        app.command()(self.withdraw)
        app.command()(self.permissions)
        app.command()(self.submit)

    def permit(
        self,
        grantee: Grantee,
        *,
        models: Models = None,
        purposes: Purposes = None,
        register_passkeys: Registrar = False,
        home: HomeOption = HERE,
    ) -> None:
        """Let a bank ask for scores by a model for a purpose, or a department register passkeys."""
        count = self._say(grantee, models, purposes, register_passkeys, home, granted=True)
        typer.echo(f"{grantee} is permitted: {_counted(count)}")

    def withdraw(
        self,
        grantee: Grantee,
        *,
        models: Models = None,
        purposes: Purposes = None,
        register_passkeys: Registrar = False,
        home: HomeOption = HERE,
    ) -> None:
        """Withdraw what `permit` gave: from the next request on."""
        count = self._say(grantee, models, purposes, register_passkeys, home, granted=False)
        typer.echo(f"{grantee} is no longer permitted: {_counted(count)}")

    def permissions(
        self,
        *,
        history: Annotated[bool, typer.Option("--history", help="all that was ever said, in order")] = False,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Show the permissions in force, and at which leaf of the log each stands."""
        from coordinator.permissions import permission_rows

        rows = permission_rows(self._open_home(home), history=history)
        show_rows(rows, as_json=as_json, nothing="nothing is permitted yet")

    def submit(
        self,
        file: Annotated[Path, typer.Argument(help="a change of a consent, or a department's permission")],
        *,
        home: HomeOption = HERE,
    ) -> None:
        """Put what an enterprise or a department has signed into the log."""
        from coordinator.permissions import submit

        typer.echo(f"{submit(self._open_home(home), read_limited(file))} is on its way into the log")

    def _say(
        self,
        grantee: str,
        models: list[str] | None,
        purposes: list[Purpose] | None,
        register_passkeys: bool,
        home: Path,
        *,
        granted: bool,
    ) -> int:
        from coordinator.permissions import registrar_subject, say, score_subjects

        if bool(models) != bool(purposes) or register_passkeys == bool(models):
            raise click.UsageError("name --model and --purpose of a bank, or --register-passkeys of a department")
        opened, name = self._open_home(home), parse_participant_id(grantee)
        subjects = score_subjects(opened, name, map(ModelVersion, models or ()), purposes or ())
        if register_passkeys:
            subjects = [registrar_subject(opened, name)]
        say(opened, subjects, granted=granted)
        return len(subjects)


def _counted(count: int) -> str:
    return "1 permission" if count == 1 else f"{count} permissions"
