"""`log-keys` of a department or a bank: the keys that the log is verified with, from whom this node has pinned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from crypto.identifiers import ParticipantId, Role
from models.hosting.command.options import HERE, HomeOption
from participants.home import Home

Out = Annotated[Path | None, typer.Option(help="write them to this file", show_default="standard output")]
Quorum = Annotated[int | None, typer.Option(min=1, help="how many witnesses", show_default="a majority of them")]


class LogKeyCommand:
    """The command of one role; `open_home` opens its home."""

    def __init__(self, open_home: Callable[[Path], Home]) -> None:
        self._open_home = open_home

    def add_to(self, app: typer.Typer) -> None:
        """Add the command to a role's."""
        app.command("log-keys")(self.log_keys)

    def log_keys(
        self,
        *,
        out: Out = None,
        quorum: Quorum = None,
        home: HomeOption = HERE,
    ) -> None:
        """Write the public keys of the log and its witnesses, for `yurong verify` and enterprises."""
        text = keys_of(self._open_home(home), quorum)
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")


def keys_of(home: Home, quorum: int | None = None) -> str:
    """The keys by what this node has pinned and is; raises `UntrustedKey` unless it has pinned one bureau."""
    from crypto.errors import UntrustedKey
    from crypto.succession import HandOver
    from models.log.key_file import format_keys
    from models.log.names import trusted_log

    pinned = dict(home.pins.documents())
    if home.role is Role.DEPARTMENT:
        pinned[home.participant_id] = (HandOver.split(home.hand_over()).verify_signed_by_itself(),)
    bureaus: list[ParticipantId] = [name for name, documents in pinned.items() if documents[0].role is Role.BUREAU]
    if len(bureaus) != 1:
        raise UntrustedKey("no bureau is pinned, so nobody's log is trusted", advice="Pin the bureau's document.")
    return format_keys(trusted_log(bureaus[0], pinned, quorum))
