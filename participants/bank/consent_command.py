"""`yurong bank consent`: hand in what enterprises signed, and see what can be asked under."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from crypto.errors import YurongError
from crypto.identifiers import ParticipantId
from models.hosting.command.options import HERE, AsJson, HomeOption, show, show_rows
from models.hosting.command.trust import read_limited
from models.hosting.storage.files import private_file
from participants.bank.settings import bureau_of, relying_party_of
from participants.home import Home

if TYPE_CHECKING:
    from participants.bank.consent_desk import ConsentDesk

    OpenDesk = Callable[[Home, ParticipantId], AbstractAsyncContextManager[ConsentDesk]]

SOME_NOT_TAKEN: Final = 4
"""The exit code of `deposit` if one of the files was not taken."""

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="what `yurong enterprise consent` wrote")]
ChangeFile = Annotated[Path, typer.Argument(help="what `yurong enterprise` wrote: a pause, resumption or revocation")]
Out = Annotated[
    Path | None, typer.Option(help="write the receipt to this file", show_default="the same name and .tlog-proof")
]
Last = Annotated[int, typer.Option(min=1, max=1_000_000, help="so many, the newest first")]


class ConsentCommands:
    """The commands; `open_home` opens the bank's home. open_desk: whom to hand in to, if not the bureau."""

    def __init__(self, open_home: Callable[[Path], Home], *, open_desk: OpenDesk | None = None) -> None:
        self._open_home, self._desk = open_home, open_desk

    def add_to(self, app: typer.Typer) -> None:
        """Add the group to the bank's commands."""
        group = typer.Typer(help="The consents that enterprises gave this bank.")
        group.command("deposit")(self.deposit)
        group.command("list")(self.list)
        group.command("change")(self.change)
        app.add_typer(group, name="consent")

    def deposit(self, files: Files, *, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Hand consents in: into the log, and to each department that they name. Exit code 4 if one is not taken.

        Again reaches the departments that were missing.
        """
        opened = self._open_home(home)

        async def hand_in() -> list[dict[str, Any]]:
            async with self._open_desk(opened) as desk:
                return [await _deposited(desk, file) for file in files]

        rows = asyncio.run(hand_in())
        show_rows(rows, as_json=as_json, nothing="")
        if any(row["fault"] for row in rows):
            raise typer.Exit(SOME_NOT_TAKEN)

    def list(self, *, last: Last = 100, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Show the consents of this bank, how each stands, and how often it may still be used."""
        from participants.bank.consent_rows import consent_row
        from participants.bank.consents import ConsentBook
        from participants.bank.database import open_database

        opened = self._open_home(home)
        book, now = ConsentBook(opened, open_database(opened), relying_party_of(opened)), opened.clock.now()
        rows = [consent_row(held, book.left(held, now=now), now=now) for held in book.all(most=last)]
        show_rows(rows, as_json=as_json, nothing="no enterprise has given this bank a consent yet")

    def change(self, file: ChangeFile, *, out: Out = None, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Hand in how an enterprise changed a consent, and keep the receipt for it: it is in the log from then on."""
        from crypto.transparency.receipt import Receipt
        from models.wire.signed_change import SignedChange
        from participants.bank.consent_rows import beginning

        opened, change = self._open_home(home), SignedChange.decode(read_limited(file))
        said, entry = change.claimed(), change.entry()

        async def hand_in() -> bytes:
            async with self._open_desk(opened) as desk:
                return await desk.change(change)

        receipt = asyncio.run(hand_in())
        path = out or file.with_suffix(".tlog-proof")
        private_file(path, receipt)
        facts = {
            "consent": beginning(said.consent_digest),
            "what": said.what.value,
            "leaf": Receipt.decode(receipt).index,
            "receipt": str(path),
            "entry": entry.encode().hex(),
        }
        show(facts, as_json=as_json)

    def _open_desk(self, home: Home) -> AbstractAsyncContextManager[ConsentDesk]:
        from participants.bank.consent_desk import open_desk

        return (self._desk or open_desk)(home, bureau_of(home))


async def _deposited(desk: ConsentDesk, file: Path) -> dict[str, Any]:
    """What became of one file. What is wrong with it keeps no other one back."""
    from models.wire.consent_bundle import ConsentBundle
    from participants.bank.consent_rows import beginning, leaf_of

    row: dict[str, Any] = {"file": str(file), "consent": None, "purpose": None, "leaf": None}
    try:
        held = await desk.deposit(ConsentBundle.decode(read_limited(file)))
    except YurongError as fault:
        said = f"{fault.message}. {fault.advice}" if fault.advice else fault.message
        return row | {"missing_departments": [], "fault": said}
    row |= {"consent": beginning(held.digest), "purpose": held.consent.purpose.value, "leaf": leaf_of(held)}
    return row | {"missing_departments": list(held.missing), "fault": ""}
