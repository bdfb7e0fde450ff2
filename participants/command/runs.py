"""An operator's decisions on runs of training: see what a run would do, approve or refuse it."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from models.hosting.command.options import HERE, AsJson, HomeOption, show
from participants.home import Home

if TYPE_CHECKING:
    from participants.runs.approvals import Approvals
    from participants.runs.run_summary import RunSummary

RunArgument = Annotated[str, typer.Argument(help="the run, as `status` names it")]
ByOption = Annotated[str | None, typer.Option(help="who decides", show_default="who is logged in")]


class RunCommands:
    """The commands of one role; `open_home` opens its home."""

    def __init__(self, open_home: Callable[[Path], Home]) -> None:
        self._open_home = open_home

    def add_to(self, app: typer.Typer) -> None:
        """Add the commands to a role's."""
        app.command()(self.show)
        app.command()(self.approve)
        app.command()(self.refuse)

    def show(self, run: RunArgument, *, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Show what a run is for, who takes part, which features it uses, and what it would give away."""
        summary = _approvals(self._open_home(home)).show(run)
        if as_json:
            show(_as_json(summary), as_json=True)
            return
        for line in summary.lines():
            typer.echo(line)

    def approve(self, run: RunArgument, *, by: ByOption = None, home: HomeOption = HERE) -> None:
        """Take part in a run, and in up to five attempts of the same plan."""
        _approvals(self._open_home(home)).approve(run, by or getpass.getuser())
        typer.echo(f"{run} is approved")

    def refuse(
        self,
        run: RunArgument,
        *,
        reason: Annotated[str, typer.Option(help="kept here; nobody else learns it")] = "",
        by: ByOption = None,
        home: HomeOption = HERE,
    ) -> None:
        """Take no part in a run, or no further part."""
        _approvals(self._open_home(home)).refuse(run, by or getpass.getuser(), reason)
        typer.echo(f"{run} is refused")


def waiting_runs(home: Home) -> list[dict[str, Any]]:
    """The runs that wait for a decision here, for `status`."""
    return [
        {
            "run": record.run_id,
            "state": str(record.state),
            "purpose": record.plan.purpose,
            "rounds": record.plan.maximum_rounds,
        }
        for record in _approvals(home).pending()
    ]


def _approvals(home: Home) -> Approvals:
    from participants.runs.approvals import (
        Approvals,  # what reads tables takes as long to load as all other commands do
    )

    return Approvals.open(home)


def _as_json(summary: RunSummary) -> Any:
    return msgspec.to_builtins({name: getattr(summary, name) for name in summary.__slots__})
