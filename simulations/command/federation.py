"""`yurong federation`: a whole federation on this machine, as separate nodes, by the commands that operators type."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from crypto.identifiers import Role
from models.hosting.operation.supervisor import Supervisor, last_line
from simulations.errors import CommandFailed

if TYPE_CHECKING:
    from simulations.federation_data import FederationData


def federation(
    *,
    out: Annotated[Path, typer.Option(help="where everything goes; cleared if an earlier one made it")] = Path(
        "yurong-federation"
    ),
    departments: Annotated[int, typer.Option(min=3, max=26, help="how many departments")] = 6,
    banks: Annotated[int, typer.Option(min=1, max=12, help="how many banks")] = 2,
    stay: Annotated[
        bool, typer.Option("--stay/--leave", help="leave it running until Ctrl-C, or stop at the end")
    ] = True,
) -> None:
    """Start a bureau, departments and banks as processes of their own, train, score, and leave it all running."""
    from simulations.local_federation.federation import serving
    from simulations.local_federation.founding import found_nodes, lay_out
    from simulations.output import fresh_directory
    from simulations.world import make_world

    console = Console(stderr=True)
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(
            f"[dim]{time.monotonic() - began:6.1f} s[/dim]  $ {escape(line)}", soft_wrap=True, highlight=False
        )

    def note(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  [bold]{escape(line)}[/bold]", highlight=False)

    directory = fresh_directory(out)
    own = {"lattice_workers": 1}
    borrowers = 6_400 // max(2, banks)
    data = make_world(departments=departments, banks=banks, enterprises=8_000, borrowers_per_bank=borrowers)
    nodes = lay_out(data, directory, say=say, settings={Role.DEPARTMENT: own, Role.BANK: own})
    note("Everybody founds its node, compares fingerprints, and imports its file")
    found_nodes(data, nodes, directory)
    with serving(nodes, directory) as running:
        note("All nodes are started")
        running.start(nodes)
        running.wait_until_ready(nodes)
        note("The bureau proposes a run; every operator looks at it and approves")
        version = running.train(
            "--purpose", "SME credit of a synthetic Chongqing", "--rounds", "8", "--parameters", "40"
        )
        note(f"Model {version} is open for scores")
        for bank in running.named(Role.BANK):
            console.print(running.nodes[bank].operator.type("score", *_borrowers(data, bank)), highlight=False)
        if stay:
            note(f"It runs until Ctrl-C. Homes: {directory}; nodes say how they do at")
            for node in nodes.values():
                console.print(f"          {node.operations}/readyz  {node.name}", highlight=False)
            raise _ended(running.supervisor)


def _ended(supervisor: Supervisor) -> CommandFailed:
    """Wait until a node ends, which none should; what is to be said of that."""
    while (ended := supervisor.ended()) is None:
        time.sleep(0.5)
    command = f"yurong {ended.service.arguments[0]} serve"
    return CommandFailed(command, ended.code or 0, f"{ended.service.name}: {last_line(ended.log)}")


def _borrowers(data: FederationData, bank: str) -> list[str]:
    """Three enterprises in a bank's book."""
    book = next(one for one in data.banks if one.participant_id == bank)
    return [str(name) for name in book.table["enterprise_id"].head(3).to_list()]
