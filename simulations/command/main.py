"""The entry point: commands, and errors as one line with advice."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from typing import Annotated, Final

import click
import typer
from rich.console import Console
from rich.markup import escape

from coordinator.command import app as bureau
from coordinator.errors import CoordinatorError
from crypto.errors import PeerError, ProtectionUnavailable, YurongError
from models.hosting.errors import HostingError
from participants.bank.command import app as bank
from participants.department.command import app as department
from participants.errors import ParticipantError, TableRefused
from simulations.command.bench import bench
from simulations.command.demo import demo
from simulations.command.enterprise import app as enterprise
from simulations.command.federation import federation
from simulations.command.verify import verify
from simulations.engines.errors import EngineError
from simulations.errors import CommandFailed, SimulationError

UNUSABLE_INPUT: Final = 3
RUN_FAILED: Final = 4
NO_PROTECTION: Final = 5
INTERRUPTED: Final = 130

app = typer.Typer(
    help="Yurong 渝融: a shared credit model that nobody can look into, and scores that only the asking bank can read.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"yurong {importlib.metadata.version('yurong')}")
        raise typer.Exit


@app.callback()
def common(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


app.command()(demo)
app.command()(federation)
app.command()(verify)
app.add_typer(bench, name="bench")
app.add_typer(bureau, name="bureau")
app.add_typer(department, name="department")
app.add_typer(bank, name="bank")
app.add_typer(enterprise, name="enterprise")


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # Flower's and torch's own news would stand between the lines of ours.
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
    try:
        code = app(standalone_mode=False)
    except YurongError as error:
        complain(error)
        sys.exit(exit_code(error))
    except OSError as fault:
        complain(unusable(fault))
        sys.exit(UNUSABLE_INPUT)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        Console(stderr=True).print("[yellow]stopped[/yellow]")
        sys.exit(INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def complain(error: YurongError) -> None:
    """One line: what is wrong, then what to do about it."""
    advice = f" [dim]({escape(error.advice)})[/dim]" if error.advice else ""
    console = Console(stderr=True, soft_wrap=True)
    console.print(f"[red]error:[/red] {escape(error.message)}{advice}")
    if isinstance(error, TableRefused):
        for line in error.report.lines():
            console.print(escape(line), highlight=False)


def unusable(fault: OSError) -> YurongError:
    """What to say of a file, directory or disk that the machine refuses: its name and why, and no trace."""
    name = f"{fault.filename} cannot be used" if fault.filename else "this machine refuses"
    return YurongError(
        f"{name}: {fault.strerror or type(fault).__name__}", advice="see that it exists and that you may use it"
    )


def exit_code(error: YurongError) -> int:
    """The exit code of a kind of error."""
    match error:
        case ProtectionUnavailable():
            return NO_PROTECTION
        case CoordinatorError() | EngineError() | PeerError() | CommandFailed():
            return RUN_FAILED
        case ParticipantError() | SimulationError() | HostingError():
            return UNUSABLE_INPUT
        case _:
            return RUN_FAILED
