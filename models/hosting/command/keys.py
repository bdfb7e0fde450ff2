"""Rotating a node's keys, and bringing its database to this release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import click
import typer

from models.hosting.command.options import HERE, AsJson, HomeOption, show
from models.hosting.command.trust import OpenHome
from models.hosting.storage.database import Database
from models.hosting.trust.home import NodeHome
from models.hosting.trust.passphrase import read_passphrase

OpenDatabase = Callable[[NodeHome], Database]


class KeyCommands:
    """The commands of one role; `open_home` opens its home, `open_database` its database as it is."""

    def __init__(self, open_home: OpenHome, open_database: OpenDatabase) -> None:
        self._open_home = open_home
        self._open_database = open_database

    def add_to(self, app: typer.Typer) -> None:
        """Add the commands to a role's."""
        app.command()(self.rotate)
        app.command()(self.migrate)

    def rotate(
        self,
        parts: Annotated[
            list[str] | None, typer.Argument(help="tls, identity; at a participant also node, at a bank also paillier")
        ] = None,
        *,
        address: Annotated[str | None, typer.Option(help="a new address of the service", show_default=False)] = None,
        above: Annotated[
            int, typer.Option(min=0, help="of a restored home: the newest serial that others have pinned")
        ] = 0,
        finish: Annotated[bool, typer.Option("--finish", help="use the prepared keys from now on")] = False,
        abort: Annotated[bool, typer.Option("--abort", help="give the prepared keys up")] = False,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Prepare new keys and the document to hand over; when everybody has pinned it, finish with --finish.

        Requests go on all the while. The old keys are good for another day, then they are removed.
        """
        node = self._open_home(home)
        if finish + abort + bool(parts or address) != 1:
            raise click.UsageError("say one thing: keys to prepare, or --finish, or --abort")
        if finish:
            node.finish_rotation()
            show({"serial": node.serial, "state": "the new keys are in use"}, as_json=as_json)
        elif abort:
            node.abort_rotation()
            show({"serial": node.serial, "state": "the prepared keys are given up"}, as_json=as_json)
        else:
            node.prepare_rotation(parts or [], address=address, above=above)
            hand_over = str(node.next_document_path)
            show({"serial": node.serial, "state": "prepared", "hand_over": hand_over}, as_json=as_json)

    def migrate(self, *, home: HomeOption = HERE) -> None:
        """Bring the database to this release. Back it up first; `serve` never does this by itself."""
        database = self._open_database(self._open_home(home))
        try:
            database.migrate()
        finally:
            database.close()
        typer.echo("the database is of this release")


def opener(home_type: type[NodeHome]) -> OpenHome:
    """Open homes of one role, with the passphrase that the environment names."""

    def open_home(directory: Path) -> NodeHome:
        return home_type.open(directory, passphrase=read_passphrase())

    return open_home
