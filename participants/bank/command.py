"""`yurong bank`: what a bank's IT staff and risk officers type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from crypto.identifiers import EnterpriseId, Role
from models.hosting.command.founding import AddressOption, NameArgument, SetOption, TitleOption
from models.hosting.command.keys import KeyCommands
from models.hosting.command.options import HERE, AsJson, HomeOption, show, show_rows
from models.hosting.command.trust import TrustCommands
from participants.bank.settings import BankSettings
from participants.command.founding import initialise, open_home_of
from participants.command.runs import RunCommands
from participants.home import Home
from participants.node_database import node_database

app = typer.Typer(help="A bank's node: found it, import labels, approve runs, ask for scores.", no_args_is_help=True)


def open_home(directory: Path) -> Home:
    """The bank's home in `directory`."""
    return open_home_of(Role.BANK, directory)


@app.command()
def init(
    name: NameArgument,
    *,
    title: TitleOption,
    address: AddressOption,
    contract: Annotated[Path, typer.Option(help="what the book is: docs/data-contract.md", show_default=False)],
    assignments: SetOption = None,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Make the node's home: keys that decrypt, settings, an approval policy that approves nothing, and a database."""
    made = initialise(
        home,
        name=name,
        role=Role.BANK,
        title=title,
        address=address,
        contract=contract,
        settings=BankSettings,
        assignments=assignments or [],
    )
    show(made, as_json=as_json)


@app.command("import-labels")
def import_labels(
    file: Annotated[Path, typer.Argument(help="a CSV or Parquet file: who repaid, and the bank's own features")],
    *,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Put a file in the place of the whole book. A bad file changes nothing."""
    from participants.bank.book import BankBook

    rows = BankBook(open_home(home).directory / "data").import_file(file)
    show({"rows": rows}, as_json=as_json)


@app.command()
def status(*, home: HomeOption = HERE, as_json: AsJson = False) -> None:
    """Show what this node holds and what waits for its operator."""
    from participants.bank.book import BankBook
    from participants.command.status import node_status

    opened = open_home(home)
    show(node_status(opened, BankBook(opened.directory / "data")), as_json=as_json)


@app.command()
def score(
    enterprise_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="unified social credit codes")],
    *,
    explain: Annotated[bool, typer.Option("--explain", help="show which points come from where")] = False,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask for scores. Only this bank can read them."""
    from participants.bank.client import BankClient
    from participants.bank.score_table import explanation_rows, score_row

    rows, reasons = [], []
    with BankClient.open(home) as bank:
        for text in enterprise_ids:
            found = bank.score(EnterpriseId(text))
            rows.append(score_row(found))
            reasons.append(explanation_rows(bank.explain(found)) if explain else [])
    if as_json:
        typer.echo(
            json.dumps(
                [
                    row | ({"points_by_participant": why} if explain else {})
                    for row, why in zip(rows, reasons, strict=True)
                ]
            )
        )
        return
    show_rows(rows, as_json=False, nothing="")
    for row, why in zip(rows, reasons, strict=True):
        if why:
            typer.echo(f"\n{row['enterprise_id']}")
            show_rows(why, as_json=False, nothing="")


@app.command()
def portfolio(
    file: Annotated[Path, typer.Argument(help="a CSV or Parquet file with a column enterprise_id")],
    *,
    out: Annotated[Path, typer.Option(help="the Parquet file to write")],
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Score all enterprises of a file. Stopped and started again, it goes on where it was."""
    from participants.bank.client import BankClient
    from participants.bank.portfolio import score_portfolio

    with BankClient.open(home) as bank, Progress(transient=True) as bar:
        task = bar.add_task("scores", total=None)
        outcome = score_portfolio(
            bank, file, out, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    show(outcome.facts() | {"out": str(out)}, as_json=as_json)


@app.command()
def serve(*, home: HomeOption = HERE) -> None:
    """Take part in training until stopped. A bank that only asks for scores need not serve."""
    from participants.bank.serve import serve_bank

    serve_bank(open_home(home), BankSettings.read(home))


_runs, _trust = RunCommands(open_home), TrustCommands(open_home)
_keys = KeyCommands(open_home, lambda home: node_database(home.directory, Role.BANK))
for _command in (_runs.show, _runs.approve, _runs.refuse, _trust.document, _trust.pin, _trust.unpin, _trust.pins):
    app.command()(_command)
for _command in (_keys.rotate, _keys.migrate):
    app.command()(_command)
