"""A node's settings: one class a role, one file `config.toml` in its home, every key of it explained.

A key that is not known refuses to start, and so does a value out of its bounds: a misspelt limit would be no limit.
The environment may set a key too, under the same rule, and goes before the file: `YURONG_DEPARTMENT_LISTEN_PORT=8444`.
Nothing in here is a secret: passphrases and database URLs have files of their own.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self

import pydantic
from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from models.hosting.errors import SettingsRefused

CONFIG_FILE: Final = "config.toml"
_LINE: Final = 100
_EVERY_NODE: Final = "YURONG_"

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class HostSettings(BaseSettings):
    """What every node sets."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=_EVERY_NODE)

    TITLE: ClassVar[str] = "A node of a Yurong federation."

    listen_host: str = Field("127.0.0.1", description="Address that the HTTPS service for other nodes binds.")
    listen_port: Port = Field(8443, description="Port of that service.")
    operations_host: str = Field(
        "127.0.0.1",
        description="Address of the plain HTTP listener for /healthz, /readyz and /metrics; private.",
    )
    operations_port: Port = Field(9443, description="Port of that listener.")
    shutdown_seconds: Seconds = Field(
        10.0,
        description="How long requests under way may take to finish when the node is stopped. "
        "systemd and compose wait for a minute in all, as deploy/ has it: raise theirs with this.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment first, then what `read` found in the file."""
        return env_settings, init_settings

    @classmethod
    def read(cls, home: Path) -> Self:
        """The settings of the node whose home this is; raises `SettingsRefused`."""
        path = home / CONFIG_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SettingsRefused(f"{path} is not there", advice="`init` makes one with every key explained") from None
        except (OSError, UnicodeDecodeError) as fault:
            raise SettingsRefused(f"{path} cannot be read: {type(fault).__name__}", advice="it is TOML") from None
        return cls.parse(text, path)

    @classmethod
    def parse(cls, text: str, path: Path) -> Self:
        """The settings in a file's `text`, with the environment's before them; raises `SettingsRefused`."""
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            raise SettingsRefused(f"{path} cannot be read: {type(fault).__name__}", advice="it is TOML") from None
        given = cls._given_by_environment()
        if unknown := sorted(given.keys() - cls.model_fields.keys()):
            raise SettingsRefused(
                f"{given[unknown[0]]} in the environment names no setting", advice="config.toml has all keys"
            )
        try:
            return cls(**values)
        except pydantic.ValidationError as fault:
            first = fault.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "?"
            place = f"{given[key]} in the environment" if key in given else f"{key} in {path}"
            what = "is no setting" if first["type"] == "extra_forbidden" else f"is refused: {first['msg']}"
            raise SettingsRefused(
                f"{place} {what}", advice="compare it with the sample configuration in deploy/"
            ) from None

    @classmethod
    def _given_by_environment(cls) -> dict[str, str]:
        """The variables with this role's prefix, by the keys that they set."""
        prefix = (cls.model_config.get("env_prefix") or "").lower()
        names = [name for name in os.environ if name.lower().startswith(prefix)]
        # The prefix of every node's variables is also that of some that are no settings.
        if prefix == _EVERY_NODE.lower():
            names = [name for name in names if name.lower().removeprefix(prefix) in cls.model_fields]
        return {name.lower().removeprefix(prefix): name for name in names}

    @classmethod
    def sample(cls, **values: object) -> str:
        """A configuration file with every key, its meaning and its default; `values` go in place of defaults."""
        lines = [f"# {cls.TITLE}", "# Every key may be left out; what stands here is then its value.", ""]
        for name, field in cls.model_fields.items():
            value = values.get(name, field.default)
            lines += [f"# {part}" for part in _wrapped(field.description or "")]
            lines += [f"{name} = {_toml(value)}", ""]
        return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= _LINE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
