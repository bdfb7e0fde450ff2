"""How OpenAPI describes an operation of ours: MessagePack in, MessagePack out, and every problem that there may be."""

from __future__ import annotations

from typing import Any, Final

from models.hosting.https import problems
from models.hosting.https.peer import MEDIA_TYPE

_TEXT: Final = {"type": "string"}
_PROBLEM: Final = {
    "type": "object",
    "properties": {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "advice": _TEXT},
    "required": ["type", "title", "status", "detail", "advice"],
    "additionalProperties": False,
}


def message_content(description: str, maximum_bytes: int) -> dict[str, Any]:
    """A body that is one message of at most so many bytes."""
    schema = {"type": "string", "format": "binary", "minLength": 1, "maxLength": maximum_bytes}
    return {MEDIA_TYPE: {"schema": {**schema, "description": description}}}


def message_body(description: str, maximum_bytes: int) -> dict[str, Any]:
    """What FastAPI's `openapi_extra` says of an operation that takes such a body."""
    return {"requestBody": {"required": True, "content": message_content(description, maximum_bytes)}}


def message_responses(description: str, maximum_bytes: int) -> dict[int | str, dict[str, Any]]:
    """What FastAPI's `responses` says: the answer, and every status that a problem of the table may have."""
    refused: dict[str, Any] = {
        "description": "A problem (RFC 9457); its types are in docs/problems.md.",
        "content": {problems.MEDIA_TYPE: {"schema": _PROBLEM}},
    }
    statuses = sorted({kind.status for kind in problems.KINDS.values()})
    answers: dict[int | str, dict[str, Any]] = dict.fromkeys(statuses, refused)
    return {200: {"description": "The answer.", "content": message_content(description, maximum_bytes)}} | answers
