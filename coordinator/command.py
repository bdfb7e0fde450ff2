"""`yurong bureau`: what the bureau's operators type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coordinator.database import SCHEMA
from coordinator.home import BureauHome
from coordinator.log_command import LogCommands
from coordinator.permission_command import PermissionCommands, Purposes
from coordinator.settings import BureauSettings
from crypto.identifiers import ModelVersion, Role, parse_participant_id
from models.hosting.command.founding import AddressOption, NameArgument, SetOption, TitleOption, founded, write_settings
from models.hosting.command.keys import KeyCommands
from models.hosting.command.options import HERE, AsJson, HomeOption, show, show_rows
from models.hosting.command.trust import TrustCommands
from models.hosting.storage.database import Database, database_url
from models.hosting.trust.passphrase import read_passphrase

app = typer.Typer(help="The bureau's node: found it, admit participants, train, open models.", no_args_is_help=True)

ModelArgument = Annotated[str, typer.Argument(help="a model's version, as `models` names it")]


def open_home(directory: Path) -> BureauHome:
    """The bureau's home in `directory`."""
    return BureauHome.open(directory, passphrase=read_passphrase())


@app.command()
def init(
    name: NameArgument = "bureau",
    *,
    title: TitleOption,
    address: AddressOption,
    assignments: SetOption = None,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Make the node's home: keys, settings, and a database."""
    participant_id = parse_participant_id(name)
    write_settings(home, BureauSettings, assignments or [])
    made = BureauHome.create(
        home,
        participant_id=participant_id,
        role=Role.BUREAU,
        title=title,
        address=address,
        passphrase=read_passphrase(),
    )
    show(founded(made), as_json=as_json)


@app.command()
def train(
    *,
    purpose: Annotated[str, typer.Option(help="what the model is for; every participant sees it", show_default=False)],
    departments: Annotated[list[str] | None, typer.Option(help="who takes part", show_default="all admitted")] = None,
    banks: Annotated[list[str] | None, typer.Option(help="who takes part", show_default="all admitted")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=64, help="at most so many")] = 12,
    parameters: Annotated[int, typer.Option(min=4, max=100_000, help="of a department's block, at most")] = 52,
    bins: Annotated[int, typer.Option(min=2, max=64, help="of a feature, at most")] = 8,
    home: HomeOption = HERE,
    as_json: AsJson = False,
) -> None:
    """Propose a run of training. It begins when every participant has approved it."""
    from coordinator.runs.proposal import propose_run

    plan = propose_run(
        open_home(home),
        purpose=purpose,
        departments=departments,
        banks=banks,
        rounds=rounds,
        parameters=parameters,
        bins=bins,
    )
    show(
        {"run": plan.run_id, "departments": list(plan.departments), "banks": list(plan.banks), "state": "proposed"},
        as_json=as_json,
    )


@app.command()
def runs(*, home: HomeOption = HERE, as_json: AsJson = False) -> None:
    """Show the runs, how far they came, and whom they wait for."""
    from coordinator.overview import run_rows

    show_rows(run_rows(open_home(home)), as_json=as_json, nothing="no run was proposed yet")


@app.command()
def models(*, home: HomeOption = HERE, as_json: AsJson = False) -> None:
    """Show the models and whether scores are given by them."""
    from coordinator.overview import model_rows

    show_rows(model_rows(open_home(home)), as_json=as_json, nothing="no model was trained yet")


@app.command("show")
def show_model(version: ModelArgument, *, home: HomeOption = HERE, as_json: AsJson = False) -> None:
    """Show one model's card: what it is for, how good it is, whose blocks it has, and how far it came."""
    from coordinator.model_view import for_people, model_facts

    facts = model_facts(open_home(home), ModelVersion(version))
    show(facts if as_json else for_people(facts), as_json=as_json)


@app.command()
def approve(version: ModelArgument, *, purposes: Purposes = None, home: HomeOption = HERE) -> None:
    """Open a model for scores, and permit its banks to ask: for --purpose, or for all but matching and training."""
    from coordinator.permissions import USUAL_PURPOSES, approve

    approve(open_home(home), ModelVersion(version), purposes or USUAL_PURPOSES)
    typer.echo(f"scores are given by {version}")


@app.command()
def retire(version: ModelArgument, *, home: HomeOption = HERE) -> None:
    """Close a model for scores, for good."""
    from coordinator.permissions import retire

    retire(open_home(home), ModelVersion(version))
    typer.echo(f"no more scores are given by {version}")


@app.command()
def status(*, home: HomeOption = HERE, as_json: AsJson = False) -> None:
    """Show who is admitted, what runs, and what scores are given by."""
    from coordinator.overview import bureau_status

    show(bureau_status(open_home(home)), as_json=as_json)


@app.command()
def serve(*, home: HomeOption = HERE) -> None:
    """Serve the gateway, the edge and the runs, until stopped."""
    from coordinator.serve import serve_bureau
    from models.hosting.operation.process import the_only_one

    opened = open_home(home)
    with the_only_one(home):
        serve_bureau(opened, BureauSettings.read(home))


def _log_admitted(home: Path, documents: list[bytes]) -> None:
    from coordinator.permissions import admitted

    admitted(open_home(home), documents)


_trust = TrustCommands(open_home, pinned=_log_admitted)
_keys = KeyCommands(open_home, lambda home: Database(database_url(home.directory), SCHEMA))
_trust.add_to(app, pin="admit", unpin="remove")
_keys.add_to(app)
LogCommands(open_home).add_to(app)
PermissionCommands(open_home).add_to(app)
