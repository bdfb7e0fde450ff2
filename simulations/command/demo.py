"""`yurong demo`: the main job in one command."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from simulations.command.choices import DataSet, Engine

if TYPE_CHECKING:
    from simulations.demo import Demonstration
    from simulations.federation_data import FederationData


def demo(
    *,
    data: Annotated[DataSet, typer.Option(help="a synthetic Chongqing, or a public data set read from --file")] = (
        DataSet.WORLD
    ),
    file: Annotated[Path | None, typer.Option(help="the public data set's CSV file", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="where everything goes; cleared if an earlier demo made it")] = Path(
        "yurong-demo"
    ),
    engine: Annotated[Engine, typer.Option(help="in this process, or Flower's own daemons on loopback")] = (
        Engine.LOCAL
    ),
    resume: Annotated[
        bool,
        typer.Option("--resume", help="go on with the run that was stopped, after its last round; its data are kept"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one JSON object")] = False,
) -> None:
    """Train one credit model across departments and banks, ask for a score, write the report."""
    from simulations.command.progress import run_progress
    from simulations.demo import REPORT, demonstrate, demonstrate_again
    from simulations.output import replaced_directory
    from simulations.settings import SETTINGS, load

    logging.basicConfig(format="%(message)s")  # why a participant refused is in its own log: here, on this terminal
    federation = None if resume else load(data, file)
    console = Console(stderr=True)
    with replaced_directory(out, resume=resume) as directory, _where_it_stopped(console, directory):
        if federation is not None:
            _introduce(console, federation)
        with run_progress() as progress:

            def say(line: str) -> None:
                progress({"phase": line})

            if federation is None:
                done = demonstrate_again(directory, engine=engine, news=progress, say=say)
            else:
                done = demonstrate(federation, SETTINGS[data], directory, engine=engine, news=progress, say=say)
    if as_json:
        typer.echo(json.dumps(_summary(done) | {"report": str((out / REPORT).absolute())}))
    else:
        _show(console, done)
        console.print(f"\nReport: [bold]{out / REPORT}[/bold]")


@contextmanager
def _where_it_stopped(console: Console, directory: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"{directory.name} keeps the run; --resume goes on after its last finished round.")
        raise


def _introduce(console: Console, federation: FederationData) -> None:
    console.print(
        f"[bold]{federation.title}[/bold]: {len(federation.departments)} departments and {len(federation.banks)} banks "
        "train one credit model, and every record stays where it is.\n"
    )


def _summary(done: Demonstration) -> dict[str, object]:
    held_out = done.result["metrics"].get("held_out", {})
    return {
        "run_id": done.result["run_id"],
        "model_version": done.version,
        "rounds": len(done.result["rounds"]),
        "seconds": done.result["seconds"],
        "auc_held_out": held_out.get("auc"),
        "ks_held_out": held_out.get("ks"),
        "scores": done.result["scores"],
        "one_score": {
            "bank": done.bank,
            "score": done.score.points,
            "probability_of_default": done.score.probability_of_default,
        },
    }


def _show(console: Console, done: Demonstration) -> None:
    result = done.result
    held_out = result["metrics"].get("held_out")
    if held_out:
        console.print(
            f"\nHeld out: AUC [bold]{held_out['auc']:.4f}[/bold], KS {held_out['ks']:.4f}, "
            f"{held_out['rows']:,} enterprises of {len(result['cohorts'])} banks."
        )
    console.print(f"Training: {len(result['rounds'])} rounds in {result['seconds']['training']:.1f} s.\n")
    table = Table(title=f"The score of {done.explanation.enterprise}, opened by {done.explanation.asked_by} alone")
    table.add_column("from")
    table.add_column("points", justify="right")
    table.add_row("what everybody starts with", f"{done.explanation.base_points}")
    for part in done.explanation.parts:
        table.add_row(part.title, f"{part.points:+d}")
    table.add_section()
    table.add_row("[bold]score", f"[bold]{done.score.points}")
    table.add_row("probability of default", f"{done.score.probability_of_default:.1%}")
    console.print(table)
    console.print("[dim]A bank sees the score; the parts are shown because one person plays everybody here.[/dim]")
