"""`yurong department`: what a department's IT staff types."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crypto.identifiers import ModelVersion, Role
from models.hosting.command.founding import AddressOption, NameArgument, SetOption, TitleOption
from models.hosting.command.keys import KeyCommands
from models.hosting.command.options import HERE, AsJson, HomeOption, show
from models.hosting.command.trust import TrustCommands
from participants.command.founding import initialise, open_home_of
from participants.command.log_keys import LogKeyCommand
from participants.command.runs import RunCommands
from participants.department.consent_command import ConsentCommands
from participants.department.passkey_command import PasskeyCommands
from participants.department.settings import DepartmentSettings
from participants.department.view_command import ViewCommands
from participants.department.witness_command import WitnessCommands
from participants.home import Home
from participants.node_database import node_database

app = typer.Typer(help="A department's node: found it, import records, approve runs, serve.", no_args_is_help=True)


def open_home(directory: Path) -> Home:
    """The department's home in `directory`."""
    return open_home_of(Role.DEPARTMENT, directory)


@app.command()
def init(
    name: NameArgument,
    *,
    title: TitleOption,
    address: AddressOption,
    contract: Annotated[Path, typer.Option(help="what the records are: docs/data-contract.md", show_default=False)],
    assignments: SetOption = None,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Make the node's home: keys, settings, an approval policy that approves nothing, and a database."""
    made = initialise(
        home,
        name=name,
        role=Role.DEPARTMENT,
        title=title,
        address=address,
        contract=contract,
        settings=DepartmentSettings,
        assignments=assignments or [],
    )
    show(made, as_json=as_json)


@app.command("import")
def import_records(
    file: Annotated[Path, typer.Argument(help="a CSV or Parquet file that keeps to the contract")],
    *,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Put a file's records in the place of all there are, and compute their partials. A bad file changes nothing."""
    from participants.department.importer import import_data

    outcome = import_data(open_home(home), file)
    show({"rows": outcome.rows, "models": outcome.models, "seconds": outcome.seconds}, as_json=as_json)


@app.command()
def status(*, home: HomeOption = HERE, as_json: AsJson = False) -> None:
    """Show what this node holds and what waits for its operator."""
    from participants.command.status import node_status
    from participants.department.unfinished_import import open_records

    opened = open_home(home)
    show(node_status(opened, open_records(opened)), as_json=as_json)


@app.command()
def serve(*, home: HomeOption = HERE) -> None:
    """Answer score requests and take part in training, until stopped."""
    from models.hosting.operation.process import the_only_one
    from participants.department.serve import serve_department

    opened = open_home(home)
    with the_only_one(home):
        serve_department(opened, DepartmentSettings.read(home))


@app.command()
def retire(
    version: Annotated[str, typer.Argument(help="the model, as `status` names it")], *, home: HomeOption = HERE
) -> None:
    """Give up this department's part of a model, for good: nobody is scored with it any more."""
    from participants.department.retirement import retire_model

    retire_model(open_home(home), ModelVersion(version))
    typer.echo(f"{version} is retired here")


_runs, _trust = RunCommands(open_home), TrustCommands(open_home)
_keys = KeyCommands(open_home, lambda home: node_database(home.directory, Role.DEPARTMENT))
_runs.add_to(app)
_trust.add_to(app)
_keys.add_to(app)
PasskeyCommands(open_home).add_to(app)
ConsentCommands(open_home).add_to(app)
ViewCommands(open_home).add_to(app)
WitnessCommands(open_home).add_to(app)
LogKeyCommand(open_home).add_to(app)
