"""Making a new home: its settings first, its keys last, so that what an interruption leaves is no home yet."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from crypto.identity import display_fingerprint
from models.hosting.errors import SettingsRefused
from models.hosting.operation.settings import CONFIG_FILE, HostSettings
from models.hosting.storage.files import home_directory, private_file
from models.hosting.trust.home import NodeHome

NameArgument = Annotated[str, typer.Argument(help="short name, lower-case letters, digits and hyphens, such as tax")]
TitleOption = Annotated[str, typer.Option(help="name for people", show_default=False)]
AddressOption = Annotated[
    str, typer.Option(help="where others reach it: https://host:port; its certificate is for that host")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="key=value of config.toml; may be repeated")]


def write_settings(home: Path, settings: type[HostSettings], assignments: list[str]) -> None:
    """Write `config.toml` into a home to be, every key explained, with the given values.

    Raises `SettingsRefused`, and `ProtectionUnavailable` for a directory that is a home already or cannot be one; then
    nothing was written.
    """
    NodeHome.require_none(home)
    values = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or key not in settings.model_fields:
            raise SettingsRefused(f"{key} is no setting", advice="say --set key=value; config.toml has all keys")
        values[key] = _value(text)
    text = settings.sample(**values)
    settings.parse(text, home / CONFIG_FILE)
    home_directory(home)
    private_file(home / CONFIG_FILE, text.encode())


def founded(home: NodeHome) -> dict[str, object]:
    """Write what a new node hands over to the others; return what to show of it."""
    document = home.directory / f"{home.participant_id}.document"
    private_file(document, home.hand_over())
    return {
        "participant_id": home.participant_id,
        "document": str(document),
        "fingerprint": display_fingerprint(home.identity().public.fingerprint()),
        "keys": "sealed" if home.vault.is_sealed else "not sealed",
        "settings": str(home.directory / CONFIG_FILE),
    }


def _value(text: str) -> object:
    """A value as TOML reads it; text without quotes is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
