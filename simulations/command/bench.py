"""`yurong bench`: figures that anyone can measure again, as a table or as one JSON object."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from simulations.command.choices import DataSet

bench = typer.Typer(
    help="Measure training, scoring, nodes, imports, the log, arithmetic or alignment on this machine.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]


@bench.command()
def training(
    *,
    data: Annotated[DataSet, typer.Option(help="which data set")] = DataSet.WORLD,
    file: Annotated[Path | None, typer.Option(help="the public data set's CSV file", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Train federated, and compare with the same model, boosted trees and single participants."""
    from simulations.benchmarks.training import measure_training
    from simulations.command.progress import run_progress
    from simulations.settings import SETTINGS, load

    logging.basicConfig(format="%(message)s")
    federation = load(data, file)
    with tempfile.TemporaryDirectory(prefix="yurong-bench-") as directory, run_progress() as progress:
        figures = measure_training(federation, SETTINGS[data], Path(directory) / "federation", news=progress)
    show(figures, as_json=as_json)


@bench.command()
def scoring(
    *,
    departments: Annotated[int, typer.Option(min=3, max=100, help="how many answer")] = 26,
    enterprises: Annotated[int, typer.Option(min=1, max=50_000_000, help="how many in the batch")] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """One score online, and the scores of a whole register."""
    from simulations.benchmarks.scoring import measure_scoring

    show(measure_scoring(departments, enterprises), as_json=as_json)


@bench.command()
def arithmetic(
    *,
    rows: Annotated[int, typer.Option(min=1, max=1 << 24, help="length of the encrypted vector")] = 65_536,
    columns: Annotated[int, typer.Option(min=1, max=10_000, help="columns of 0 and 1")] = 20,
    as_json: AsJson = False,
) -> None:
    """Encrypted inner products, on one core."""
    from simulations.benchmarks.arithmetic import measure_arithmetic

    show(measure_arithmetic(rows, columns), as_json=as_json)


@bench.command()
def alignment(
    *,
    rows: Annotated[int, typer.Option(min=1, max=5_000_000, help="enterprises on either side")] = 100_000,
    as_json: AsJson = False,
) -> None:
    """Private set intersection of a bank and a department."""
    from simulations.benchmarks.alignment import measure_alignment

    show(measure_alignment(rows), as_json=as_json)


class ImportFormat(StrEnum):
    """What file is imported."""

    CSV = "csv"
    PARQUET = "parquet"
    BOTH = "both"


@bench.command("import")
def import_records(
    *,
    enterprises: Annotated[int, typer.Option(min=1, max=5_000_000, help="rows of the file")] = 1_000_000,
    items: Annotated[int, typer.Option(min=1, max=1_000, help="columns of the contract")] = 40,
    form: Annotated[ImportFormat, typer.Option("--format", help="of the file")] = ImportFormat.BOTH,
    as_json: AsJson = False,
) -> None:
    """Take in a department's records: check, store, compute partials; time and memory."""
    from simulations.benchmarks.importing import FORMATS, measure_import

    show(measure_import(enterprises, items, FORMATS if form is ImportFormat.BOTH else (form.value,)), as_json=as_json)


@bench.command()
def online(
    *,
    departments: Annotated[int, typer.Option(min=3, max=100, help="how many answer")] = 26,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="how long scores are asked for at the rate")] = 60.0,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="scores a second")] = 15.0,
    enterprises: Annotated[
        int, typer.Option(min=0, max=5_000_000, help="of the node whose start is timed")
    ] = 1_000_000,
    as_json: AsJson = False,
) -> None:
    """Scores between nodes of their own over TLS: time of one, how many a second, bytes, a node's start."""
    from simulations.benchmarks.online import measure_online

    show(measure_online(departments, seconds, rate, enterprises), as_json=as_json)


@bench.command()
def log(
    *,
    leaves: Annotated[
        int, typer.Option(min=1, max=1_000_000_000, help="of the log that proofs are read from")
    ] = 10_000_000,
    departments: Annotated[int, typer.Option(min=3, max=100, help="how many witness and answer")] = 26,
    as_json: AsJson = False,
) -> None:
    """The log: appends with a quorum, what proof and consent cost a score, proofs in a large log, its disk."""
    from simulations.benchmarks.log import measure_log

    show(measure_log(leaves, departments), as_json=as_json)


def show(figures: Mapping[str, Any], *, as_json: bool) -> None:
    """Print figures: JSON on standard output, or a table for people."""
    if as_json:
        typer.echo(json.dumps(dict(figures)))
        return
    table = Table(show_header=False, box=None)
    for name, value in _flat(figures):
        table.add_row(name, value)
    Console().print(table)


def _flat(figures: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in figures.items():
        if isinstance(value, dict):
            rows.extend(_flat(value, f"{prefix}{name}."))
        else:
            rows.append((prefix + name, f"{value:,.6g}" if isinstance(value, float) else str(value)))
    return rows
