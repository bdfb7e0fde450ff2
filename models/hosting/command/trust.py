"""Whom a node trusts: show one's own document, pin and unpin others, see who is pinned.

Documents travel by any way. What makes them trusted is the fingerprint, which two people compare by telephone: `pin`
shows the one that it reads and asks whether the other side reads out the same; in a script, `--fingerprints` names a
file of lines `name fingerprint` that somebody wrote down during that call. Nothing is pinned without either.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from crypto.errors import UntrustedKey
from crypto.identifiers import ParticipantId, parse_participant_id
from crypto.identity import ParticipantDocument, display_fingerprint, parse_fingerprint
from crypto.succession import HandOver
from models.hosting.command.options import HERE, AsJson, HomeOption, show, show_rows
from models.hosting.errors import FileRefused
from models.hosting.trust.home import NodeHome

OpenHome = Callable[[Path], NodeHome]
Pinned = Callable[[Path, list[bytes]], None]
MAXIMUM_BYTES = 1 << 16

Documents = Annotated[list[Path], typer.Argument(help="document files that others handed over")]
Fingerprints = Annotated[
    Path | None,
    typer.Option(help="lines `name fingerprint`, written down by telephone", show_default="asks for each"),
]


def _nobody_is_told(_home: Path, _documents: list[bytes]) -> None:
    """Only this node's own pins matter."""


class TrustCommands:
    """The commands of one role; `open_home` opens its home. `pinned`: is given what was handed over, and pinned."""

    def __init__(self, open_home: OpenHome, *, pinned: Pinned = _nobody_is_told) -> None:
        self._open_home = open_home
        self._pinned = pinned

    def add_to(self, app: typer.Typer, *, pin: str = "pin", unpin: str = "unpin") -> None:
        """Add the commands to a role's, two of them under the names that the role has for them."""
        app.command()(self.document)
        app.command(pin)(self.pin)
        app.command(unpin)(self.unpin)
        app.command()(self.pins)

    def document(
        self,
        *,
        out: Annotated[Path | None, typer.Option(help="write the document to this file", show_default=False)] = None,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Show this node's fingerprint, to be read out by telephone, and write its document, to be handed over."""
        node = self._open_home(home)
        data = node.hand_over()
        path = out or Path(f"{node.participant_id}.document")
        path.write_bytes(data)
        show(_about(HandOver.split(data).verify_signed_by_itself()) | {"document": str(path)}, as_json=as_json)

    def pin(
        self,
        documents: Documents,
        *,
        fingerprints: Fingerprints = None,
        home: HomeOption = HERE,
        as_json: AsJson = False,
    ) -> None:
        """Trust participants whose fingerprints you compared with them by telephone: all that are named, or none."""
        node = self._open_home(home)
        heard = None if fingerprints is None else read_fingerprints(fingerprints)
        handed = []
        for path in documents:
            data = read_limited(path)
            document = HandOver.split(data).verify_signed_by_itself()
            if document.participant_id == node.participant_id:
                raise FileRefused(f"{path} is a document of {node.participant_id}: this node", advice="pin the others'")
            known = document.participant_id in node.pins.names()
            handed.append((data, _compared(document, heard, known=known)))
        pinned = node.pins.pin_all(handed)
        self._pinned(home, [data for data, _ in handed])
        show_rows([_about(document) for document in pinned], as_json=as_json, nothing="")

    def unpin(self, name: Annotated[str, typer.Argument(help="a participant")], *, home: HomeOption = HERE) -> None:
        """Trust a participant no longer: its requests are refused from now on."""
        self._open_home(home).pins.unpin(parse_participant_id(name))
        typer.echo(f"{name} is not trusted any more")

    def pins(self, *, home: HomeOption = HERE, as_json: AsJson = False) -> None:
        """Show who is trusted."""
        book = self._open_home(home).pins
        rows = [_about(documents[0]) for _, documents in sorted(book.documents().items())]
        show_rows(rows, as_json=as_json, nothing="nobody is pinned yet")


def read_limited(path: Path) -> bytes:
    """The bytes of a small file; raises `FileRefused`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAXIMUM_BYTES + 1)
    except OSError as fault:
        raise FileRefused(f"{path} cannot be read: {fault.strerror}") from None
    if len(data) > MAXIMUM_BYTES:
        raise FileRefused(f"{path} is too long to be a document")
    return data


def read_fingerprints(path: Path) -> dict[ParticipantId, bytes]:
    """Fingerprints by participant, from lines of `name fingerprint`; raises `MalformedMessage`."""
    heard = {}
    for line in read_limited(path).decode("utf-8", errors="replace").splitlines():
        name, _, digits = line.strip().partition(" ")
        if name and not name.startswith("#"):
            heard[parse_participant_id(name)] = parse_fingerprint(digits)
    return heard


def _compared(document: ParticipantDocument, heard: dict[ParticipantId, bytes] | None, *, known: bool) -> bytes | None:
    """The fingerprint that was compared; None if the identity that is pinned vouches for the document."""
    name = document.participant_id
    if known and (heard is None or name not in heard):
        return None
    if heard is not None:
        if name not in heard:
            raise UntrustedKey(
                f"no fingerprint of {name} was written down", advice="compare it by telephone and add its line"
            )
        return heard[name]
    shown = display_fingerprint(document.identity.fingerprint())
    typer.echo(f"{document.title} ({name}, {document.role}) must read out to you by telephone:\n\n    {shown}\n")
    if not typer.confirm("Did it read out exactly this?", default=False):
        raise UntrustedKey(f"{name} was not pinned", advice="the document is not theirs if the fingerprints differ")
    return document.identity.fingerprint()


def _about(document: ParticipantDocument) -> dict[str, object]:
    return {
        "participant_id": document.participant_id,
        "role": str(document.role),
        "title": document.title,
        "address": document.address,
        "serial": document.serial,
        "fingerprint": display_fingerprint(document.identity.fingerprint()),
    }
