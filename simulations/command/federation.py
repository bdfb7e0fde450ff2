"""`yurong federation`: a whole federation on this machine, as separate nodes, by the commands that operators type."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from crypto.identifiers import EnterpriseId, Role
from models.hosting.operation.supervisor import Supervisor, last_line
from simulations.errors import CommandFailed

if TYPE_CHECKING:
    from simulations.federation_data import BankData, FederationData
    from simulations.local_federation.federation import LocalFederation

_BORROWERS: Final = 2
"""So many of each bank consent and are scored: each has to register, which takes seconds."""


class _Story:
    """What is told on the screen, with the seconds since it began."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        """A command that is typed."""
        self._console.print(f"{self._at()}  $ {escape(line)}", soft_wrap=True, highlight=False)

    def note(self, line: str) -> None:
        """What happens now."""
        self._console.print(f"{self._at()}  [bold]{escape(line)}[/bold]", soft_wrap=True, highlight=False)

    def show(self, printed: str) -> None:
        """What a command printed, as it stands."""
        self._console.print(printed, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def _at(self) -> str:
        return f"[dim]{time.monotonic() - self._began:6.1f} s[/dim]"


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
    """Start a bureau, departments and banks as processes of their own, train, have enterprises consent, and score."""
    from simulations.local_federation.federation import serving
    from simulations.local_federation.founding import found_nodes, lay_out
    from simulations.output import fresh_directory
    from simulations.world import make_world

    story = _Story()
    directory = fresh_directory(out)
    own = {"lattice_workers": 1}
    borrowers = 6_400 // max(2, banks)
    data = make_world(departments=departments, banks=banks, enterprises=8_000, borrowers_per_bank=borrowers)
    nodes = lay_out(data, directory, say=story.say, settings={Role.DEPARTMENT: own, Role.BANK: own})
    story.note("Everybody founds its node, compares fingerprints, and imports its file")
    found_nodes(data, nodes, directory)
    with serving(nodes, directory) as running:
        story.note("All nodes are started")
        running.start(nodes)
        running.wait_until_ready(nodes)
        story.note("The bureau proposes a run; every operator looks at it and approves")
        version = running.train(
            "--purpose", "SME credit of a synthetic Chongqing", "--rounds", "8", "--parameters", "40"
        )
        story.note(f"Model {version} is open for scores")
        _score_with_consent(running, data, directory, story)
        if stay:
            story.note(f"It runs until Ctrl-C. Homes: {directory}; nodes say how they do at")
            for node in nodes.values():
                story.show(f"          {node.operations}/readyz  {node.name}")
            raise _ended(running.supervisor)


def _score_with_consent(running: LocalFederation, data: FederationData, directory: Path, story: _Story) -> None:
    """Have borrowers of each bank consent and the bank score them; one of them looks its uses up in the log."""
    from simulations.local_federation.consenting import enterprises_of, have_consented
    from simulations.local_federation.founding import BUREAU, registrar_of

    registrar = registrar_of(data)
    story.note(f"{_BORROWERS} borrowers of each bank register their passkeys at {registrar}, and consent")
    asked = enterprises_of({one.participant_id: _borrowers(one) for one in data.banks}, directory, say=story.say)
    first, *_ = asked
    explained = asked[first][0]
    have_consented(running, registrar, asked, with_reasons=[explained])
    story.note(f"Each bank scores them. One consented to reasons: {first} is told why its score is not better")
    for bank, enterprises in asked.items():
        options = ["--explain"] if bank == first else []
        ids = [one.enterprise_id for one in enterprises]
        story.show(running.nodes[bank].operator.type("score", *ids, *options))
    story.note("The bureau publishes its log: the enterprise finds every use of its consent there, and misses none")
    copy, keys = str(directory / "log"), str(directory / "log.keys")
    running.nodes[BUREAU].operator.type("log", "publish", copy)
    running.nodes[registrar].operator.type("log-keys", "--out", keys)
    story.show(explained.type("uses", "--log", copy, "--keys", keys))


def _ended(supervisor: Supervisor) -> CommandFailed:
    """Wait until a node ends, which none should; what is to be said of that."""
    while (ended := supervisor.ended()) is None:
        time.sleep(0.5)
    command = f"yurong {ended.service.arguments[0]} serve"
    return CommandFailed(command, ended.code or 0, f"{ended.service.name}: {last_line(ended.log)}")


def _borrowers(bank: BankData) -> list[EnterpriseId]:
    """Some enterprises in a bank's book."""
    return [EnterpriseId(name) for name in bank.table["enterprise_id"].head(_BORROWERS).to_list()]
