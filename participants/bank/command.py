"""`yurong bank`: what a bank's IT staff and risk officers type."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from crypto.errors import YurongError
from crypto.identifiers import ModelVersion, Role, parse_participant_id
from models.hosting.command.founding import AddressOption, NameArgument, SetOption, TitleOption
from models.hosting.command.keys import KeyCommands
from models.hosting.command.options import HERE, AsJson, HomeOption, show, show_rows
from models.hosting.command.trust import TrustCommands
from models.hosting.trust.passphrase import read_passphrase
from models.wire.consent import Purpose
from participants.bank.consent_command import ConsentCommands
from participants.bank.receipt_command import ReceiptCommands
from participants.bank.settings import BankSettings
from participants.command.founding import initialise, open_home_of
from participants.command.log_keys import LogKeyCommand
from participants.command.runs import RunCommands
from participants.home import Home
from participants.node_database import node_database

if TYPE_CHECKING:
    from participants.bank.client import BankClient
    from participants.bank.score_request import Score


class ScorePurpose(StrEnum):
    """What a bank asks for scores for: the other purposes of consents are of training."""

    APPLICATION = Purpose.APPLICATION.value
    PRE_QUALIFICATION = Purpose.PRE_QUALIFICATION.value
    MONITORING = Purpose.MONITORING.value


ModelOption = Annotated[str | None, typer.Option(help="by which model", show_default="the one that there is")]
PurposeOption = Annotated[ScorePurpose, typer.Option(help="what for: as enterprises consented to")]
SOME_NOT_SCORED = 4
_PARTS = ("points_by_part", "principal_reasons")
_IDS = "unified social credit codes; - reads them from standard input, one a line, so that they do not show in ps"

app = typer.Typer(help="A bank's node: found it, import labels, approve runs, ask for scores.", no_args_is_help=True)


def open_home(directory: Path) -> Home:
    """The bank's home in `directory`."""
    return open_home_of(Role.BANK, directory)


def open_client(directory: Path, model: str | None) -> BankClient:
    """The bank's client, as its settings say."""
    from participants.bank.client import BankClient

    settings = BankSettings.read(directory)
    return BankClient.open(
        directory,
        passphrase=read_passphrase(),
        model_version=None if model is None else ModelVersion(model),
        bureau=parse_participant_id(settings.bureau),
        at_once=settings.requests_at_once,
        answer_seconds=settings.answer_seconds,
    )


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
    enterprise_ids: Annotated[list[str], typer.Argument(metavar="ID...", help=_IDS)],
    *,
    purpose: PurposeOption = ScorePurpose.APPLICATION,
    explain: Annotated[bool, typer.Option("--explain", help="show which points come from where, and reasons")] = False,
    model: ModelOption = None,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask for scores. Only this bank can read them. Exit code 4 if one could not be had."""
    from participants.bank.score_table import score_row

    ids = _read_ids(enterprise_ids)
    with open_client(home, model) as bank:
        results = bank.score_many(ids, purpose=Purpose(purpose))
        rows = [score_row(name, result) for name, result in zip(ids, results, strict=True)]
        for row, result in zip(rows, results, strict=True) if explain else ():
            row.update(_explained(bank, result))
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
    else:
        parts = [(row["enterprise_id"], [row.pop(part, []) or [] for part in _PARTS]) for row in rows]
        show_rows(rows, as_json=False, nothing="")
        for name, tables in parts:
            for lines in filter(None, tables):
                typer.echo(f"\n{name}")
                show_rows(lines, as_json=False, nothing="")
    if any(row["fault"] for row in rows):
        raise typer.Exit(SOME_NOT_SCORED)


def _explained(bank: BankClient, result: Score | YurongError) -> dict[str, Any]:
    """The points of a score by part, and its reasons: None if the consent lets this bank open none."""
    from participants.bank.score_request import Score
    from participants.bank.score_table import explanation_rows, reason_rows

    if not isinstance(result, Score):
        return {part: [] for part in _PARTS}
    reasons = bank.reasons(result)
    lines = explanation_rows(bank.explain(result)), None if reasons is None else reason_rows(reasons)
    return dict(zip(_PARTS, lines, strict=True))


def _read_ids(words: Sequence[str]) -> list[str]:
    """The ids that were typed, and in the place of `-` those on standard input."""
    ids: list[str] = []
    for word in words:
        ids += [line.strip() for line in sys.stdin if line.strip()] if word == "-" else [word]
    return ids


@app.command()
def portfolio(
    file: Annotated[Path, typer.Argument(help="a CSV or Parquet file with a column enterprise_id")],
    *,
    out: Annotated[Path, typer.Option(help="the Parquet file to write")],
    purpose: PurposeOption = ScorePurpose.APPLICATION,
    model: ModelOption = None,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Score all enterprises of a file. Stopped and started again, it goes on where it was."""
    from participants.bank.portfolio import score_portfolio

    with open_client(home, model) as bank, Progress(transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task("scores", total=None)

        def show_progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        outcome = score_portfolio(bank, file, out, purpose=Purpose(purpose), progress=show_progress)
    show(outcome.facts() | {"out": str(out)}, as_json=as_json)


@app.command()
def serve(*, home: HomeOption = HERE) -> None:
    """Take part in training until stopped. A bank that only asks for scores need not serve."""
    from models.hosting.operation.process import the_only_one
    from participants.bank.serve import serve_bank

    opened = open_home(home)
    with the_only_one(home):
        serve_bank(opened, BankSettings.read(home))


_runs, _trust = RunCommands(open_home), TrustCommands(open_home)
_keys = KeyCommands(open_home, lambda home: node_database(home.directory, Role.BANK))
_runs.add_to(app)
_trust.add_to(app)
_keys.add_to(app)
LogKeyCommand(open_home).add_to(app)
ConsentCommands(open_home).add_to(app)
ReceiptCommands(open_home).add_to(app)
