"""Options that all commands of a node take alike, and how they show what they found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="YURONG_HOME", help="the node's home", show_default="the present directory")
]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]
HERE = Path()
_ANY_WIDTH: Final = 10_000


def show(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print facts: one JSON object on standard output, or a line for each that people read."""
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    _console().print(_lines(facts))


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, nothing: str) -> None:
    """Print rows of the same columns: a JSON list, or a table; `nothing` says that there are none.

    Where the terminal is too narrow for the table, a row is a paragraph: broken ids cannot be copied.
    """
    if as_json:
        typer.echo(json.dumps(list(rows), ensure_ascii=False))
        return
    if not rows:
        typer.echo(nothing)
        return
    table, console = Table(box=None, pad_edge=False, header_style="dim"), _console()
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_readable(value) for value in row.values()))
    if console.measure(table, options=console.options.update(max_width=_ANY_WIDTH)).maximum <= console.width:
        console.print(table)
        return
    for number, row in enumerate(rows):
        console.print(*[""] * (number > 0), _lines(row), sep="\n")


def _lines(facts: Mapping[str, Any]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), _readable(value))
    return table


def _console() -> Console:
    """What others wrote stands as it is: nothing in it is a colour, a link or a picture."""
    return Console(markup=False, emoji=False, highlight=False)


def _has_rows(values: Sequence[object]) -> bool:
    return any(isinstance(one, Mapping) for one in values)


def _readable(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_readable(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(map(_readable, value)) if _has_rows(value) else ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
