"""The fields of a canonical JSON document, read strictly: a value has one form, and all else is `MalformedMessage`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, TypeVar

from crypto.documents import JsonObject, parse_json_object
from crypto.errors import MalformedMessage

LATEST_TIME: Final = (1 << 40) - 1
"""The last second since 1970 that a document can name."""

_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-f]{2})*")
_MODEL_VERSION: Final = re.compile(r"[0-9a-f]{32}")
_RUN_ID: Final = re.compile(r"[a-z0-9-]{1,64}")

_Member = TypeVar("_Member", bound=StrEnum)


def fields_of(data: bytes, *, maximum_bytes: int) -> JsonObject:
    """The fields of a document that is read back afterwards (`require_same`): that proves its form, and costs once."""
    if len(data) > maximum_bytes:
        raise MalformedMessage("a document is too long")
    return parse_json_object(data)


def require_keys(fields: JsonObject, keys: frozenset[str]) -> None:
    """Raise `MalformedMessage` unless an object has these keys and no others."""
    if fields.keys() != keys:
        raise MalformedMessage("a document has other fields than it should")


def require_same(encoded: bytes, data: bytes) -> None:
    """Raise `MalformedMessage` unless what was read is written as it arrived."""
    if encoded != data:
        raise MalformedMessage("a document is not in canonical form")


def require_number(field: str, value: object, least: int, most: int) -> None:
    """Raise `MalformedMessage` unless `value` is a whole number from `least` to `most`."""
    # A boolean is an integer to Python and is written otherwise.
    if type(value) is not int or not least <= value <= most:
        raise MalformedMessage(f"{field} is none that it could be")


def require_flag(value: object) -> bool:
    """Return `value` if it is true or false; else `MalformedMessage`."""
    if not isinstance(value, bool):
        raise MalformedMessage("a field of a document is neither true nor false")
    return value


def require_model_version(text: str) -> None:
    """Raise `MalformedMessage` unless `text` is the version of a model."""
    if _MODEL_VERSION.fullmatch(text) is None:
        raise MalformedMessage("a model's version is 32 lower-case hexadecimal digits")


def require_run_id(text: str) -> None:
    """Raise `MalformedMessage` unless `text` is the id of a run."""
    if _RUN_ID.fullmatch(text) is None:
        raise MalformedMessage("a run's id is 1 to 64 lower-case letters, digits and hyphens")


def text_of(value: object) -> str:
    """Return `value` if it is a text; else `MalformedMessage`."""
    if not isinstance(value, str):
        raise MalformedMessage("a field of a document is not a text")
    return value


def bytes_of(value: object) -> bytes:
    """Return the bytes that a text of lower-case hexadecimal digits stands for; else `MalformedMessage`."""
    text = text_of(value)
    if _HEXADECIMAL.fullmatch(text) is None:
        raise MalformedMessage("a field of a document is not in lower-case hexadecimal digits")
    return bytes.fromhex(text)


def member_of(kind: type[_Member], value: object) -> _Member:
    """Return the member of a closed list that `value` names; else `MalformedMessage`."""
    try:
        return kind(text_of(value))
    except ValueError:
        raise MalformedMessage(f"a document names no {kind.__name__.lower()}") from None
