"""`yurong department register-passkey` and `withdraw-passkey`: what the people at the desk type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from models.hosting.clock import SystemClock
from models.hosting.command.options import HERE, AsJson, HomeOption, show
from models.hosting.command.trust import read_limited
from models.hosting.storage.files import private_file
from models.wire.passkey_binding import PasskeyBinding
from models.wire.permission import Permission
from participants.department.settings import DepartmentSettings
from participants.home import Home

Out = Annotated[
    Path | None, typer.Option(help="write it to this file", show_default="the same name with another ending")
]
Seen = Annotated[bool, typer.Option("--seen", help="the person and the licence were compared: do not ask")]


class PasskeyCommands:
    """The commands of the desk; `open_home` opens the department's home."""

    def __init__(self, open_home: Callable[[Path], Home]) -> None:
        self._open_home = open_home

    def add_to(self, app: typer.Typer) -> None:
        """Add the commands to the department's."""
        app.command("register-passkey")(self.register)
        app.command("withdraw-passkey")(self.withdraw)

    def register(
        self,
        file: Annotated[Path, typer.Argument(help="what `yurong enterprise register` wrote")],
        *,
        out: Out = None,
        seen: Seen = False,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Sign that a passkey is an enterprise's, after you have seen the person and the business licence."""
        from participants.department.passkey_desk import register_passkey

        signed = register_passkey(
            self._open_home(home),
            DepartmentSettings.read(home),
            read_limited(file),
            seen=(lambda _: True) if seen else _ask,
            clock=SystemClock(),
        )
        path = out or file.with_suffix(".binding")
        private_file(path, signed.encode())
        about = _about(signed.claimed())
        show(about | {"digest": signed.entry().digest.hex(), "binding": str(path)}, as_json=as_json)

    def withdraw(
        self,
        file: Annotated[Path, typer.Argument(help="the binding that this department signed")],
        *,
        out: Out = None,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Say that a passkey signs no longer, as it is lost: hand the file to the bureau, to be put into the log."""
        from participants.department.passkey_desk import withdraw_passkey

        withdrawn = withdraw_passkey(self._open_home(home), read_limited(file), clock=SystemClock())
        path = out or file.with_suffix(".permission")
        private_file(path, withdrawn)
        digest = Permission.entry(withdrawn).digest.hex()
        show(
            {"passkey": Permission.claimed(withdrawn).subject.grantee, "digest": digest, "file": str(path)},
            as_json=as_json,
        )


def _ask(binding: PasskeyBinding) -> bool:
    for name, value in _about(binding).items():
        typer.echo(f"{name:>14}  {value}")
    return typer.confirm("Have you seen this person, and the licence of this enterprise?", default=False)


def _about(binding: PasskeyBinding) -> dict[str, object]:
    return {
        "enterprise_id": binding.enterprise_id,
        "name": binding.signatory.name,
        "role": str(binding.signatory.role),
        "passkey_of": binding.passkey.relying_party_id,
    }
