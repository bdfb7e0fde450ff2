"""`yurong bank receipts` and `reasons`: what came with the scores of this bank."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer

from crypto.identifiers import ParticipantId, RequestId
from models.hosting.command.options import HERE, AsJson, HomeOption, show, show_rows
from models.hosting.storage.files import private_file
from participants.bank.settings import bureau_of
from participants.command.times import readable_time
from participants.home import Home

if TYPE_CHECKING:
    from participants.bank.consent_desk import ConsentDesk
    from participants.bank.receipts import KeptReceipt, ReceiptStore

    OpenDesk = Callable[[Home, ParticipantId], AbstractAsyncContextManager[ConsentDesk]]

ENTRY_ENDING = ".entry"
"""Of the file beside a receipt that holds the entry, in hexadecimal digits."""

Last = Annotated[int, typer.Option(min=1, max=1_000_000, help="so many, the newest first")]
Complete = Annotated[bool, typer.Option("--complete", help="first fetch those that waited for a quorum")]
Export = Annotated[str | None, typer.Option(metavar="REQUEST", help="write one to --out", show_default=False)]
Out = Annotated[Path | None, typer.Option(help="the file to write; the entry goes beside it", show_default=False)]
RequestArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="the request, as `receipts` names it")]
ForEnterprise = Annotated[
    Path | None, typer.Option(help="write what the enterprise alone can open to this file", show_default=False)
]


class ReceiptCommands:
    """The commands; `open_home` opens the bank's home. open_desk: where receipts are fetched, if not at the bureau."""

    def __init__(self, open_home: Callable[[Path], Home], *, open_desk: OpenDesk | None = None) -> None:
        self._open_home, self._desk = open_home, open_desk

    def add_to(self, app: typer.Typer) -> None:
        """Add the commands to the bank's."""
        app.command()(self.receipts)
        app.command()(self.reasons)

    def receipts(
        self,
        *,
        last: Last = 20,
        complete: Complete = False,
        export: Export = None,
        out: Out = None,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Show the receipts of requests, or write one for others to verify. Without a quorum yet, one is waiting."""
        if (export is None) is not (out is None):
            raise click.UsageError("--export REQUEST and --out FILE are said together")
        opened = self._open_home(home)
        if complete:
            asyncio.run(self._complete(opened))
        store = _store(opened)
        if export is not None and out is not None:
            show(_exported(store.find(RequestId(export)), out), as_json=as_json)
            return
        rows = [_row(kept) for kept in store.latest(last)]
        show_rows(rows, as_json=as_json, nothing="this bank has no receipt yet")

    def reasons(
        self,
        request: RequestArgument,
        *,
        for_enterprise: ForEnterprise = None,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Show why a score is not better: up to four reasons, to be told to the enterprise."""
        from participants.bank.errors import NotKept
        from participants.bank.score_table import reason_rows

        store, request_id = _store(self._open_home(home)), RequestId(request)
        if for_enterprise is not None:
            data = store.for_enterprise(request_id)
            if data is None:
                raise NotKept(
                    "nothing came with this score that the enterprise opens",
                    advice="It consents to that: `yurong enterprise consent --reasons-opened-by`.",
                )
            private_file(for_enterprise, data)
            show({"request": request, "file": str(for_enterprise)}, as_json=as_json)
            return
        found = store.reasons(request_id)
        if found is None:
            raise NotKept(
                "this bank opens no reasons of this score",
                advice="The consent has to be to a score with reasons, opened by the bank or by both.",
            )
        show_rows(reason_rows(found), as_json=as_json, nothing="nothing cost this score a point")

    async def _complete(self, home: Home) -> None:
        from participants.bank.consent_desk import open_desk

        async with (self._desk or open_desk)(home, bureau_of(home)) as desk:
            await desk.complete_receipts()


def _store(home: Home) -> ReceiptStore:
    from participants.bank.database import open_database
    from participants.bank.receipts import ReceiptStore

    return ReceiptStore(open_database(home))


def _row(kept: KeptReceipt) -> dict[str, Any]:
    asked = kept.statement
    return {
        "received": readable_time(kept.received_at),
        "request": asked.request_id,
        "leaf": kept.index,
        "purpose": asked.purpose.value,
        "computation": asked.computation.value,
        "model": asked.model_version,
        "witnesses": kept.witnesses or "waiting",
    }


def _exported(kept: KeptReceipt, out: Path) -> dict[str, Any]:
    """Write a receipt, and the entry that it is of beside it: what `yurong verify` takes."""
    beside, entry = out.with_name(out.name + ENTRY_ENDING), kept.entry.hex()
    private_file(out, kept.receipt)
    private_file(beside, f"{entry}\n".encode())
    return _row(kept) | {"receipt": str(out), "entry_file": str(beside), "entry": entry}
