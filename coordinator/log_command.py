"""`yurong bureau log`: make the transparency log, look at it, publish a copy of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from coordinator.home import BureauHome
from models.hosting.command.options import HERE, AsJson, HomeOption, show

Out = Annotated[Path | None, typer.Option(help="write them to this file", show_default="standard output")]


class LogCommands:
    """The commands; `open_home` opens the bureau's home."""

    def __init__(self, open_home: Callable[[Path], BureauHome]) -> None:
        self._open_home = open_home

    def add_to(self, app: typer.Typer) -> None:
        """Add the group to the bureau's commands."""
        group = typer.Typer(help="The log that departments witness: make it, look at it, publish it.")
        group.command("create")(self.create)
        group.command("status")(self.status)
        group.command("publish")(self.publish)
        group.command("keys")(self.keys)
        app.add_typer(group, name="log")

    def create(self, *, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Make the log: once, before the bureau serves for the first time. It is never made again."""
        from coordinator.database import open_database
        from coordinator.log_view import log_facts
        from coordinator.transparency_log.bureau_log import create_log

        opened = self._open_home(home)
        create_log(opened, open_database(opened)).close()
        show(log_facts(opened), as_json=as_json)

    def status(self, *, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Show how long the log is, what waits to be appended, and how much of it departments have cosigned."""
        from coordinator.log_view import log_facts

        show(log_facts(self._open_home(home)), as_json=as_json)

    def publish(
        self,
        directory: Annotated[Path, typer.Argument(help="where the copy is, or is to be")],
        *,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Write a copy of the log that anybody may read, up to what a majority of departments has cosigned."""
        from coordinator.database import open_database
        from coordinator.transparency_log.bureau_log import log_directory
        from coordinator.transparency_log.publishing import publish

        opened = self._open_home(home)
        checkpoint = publish(log_directory(opened), open_database(opened), directory)
        show({"log": checkpoint.origin, "entries": checkpoint.size, "copy": str(directory)}, as_json=as_json)

    def keys(self, *, out: Out = None, home: HomeOption = HERE) -> None:
        """Write the public keys of the log and its witnesses. Whoever does not trust you takes a department's."""
        from coordinator.log_view import bureau_trust
        from models.log.key_file import format_keys

        text = format_keys(bureau_trust(self._open_home(home)))
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")
