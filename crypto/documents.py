r"""Signed documents: canonical JSON (RFC 8785), one line, then the signature, one line.

    {"participant_id":"tax","role":"department",...}\n
    9b0c...(128 hexadecimal digits of an Ed25519 signature)\n

Canonical JSON holds no line break, so the first one ends it. What is verified are the bytes received.
They are parsed only to be read; a text that is not its own canonical form (a key twice, other order or
spacing, other spelling of a number or character) is refused, so one meaning has one form.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

import rfc8785

from crypto.errors import MalformedMessage
from crypto.labels import Label

if TYPE_CHECKING:
    from crypto.identity import Identity, PublicIdentity

MAXIMUM_BYTES: Final = 1 << 20
"""No document is longer, signature included, unless the reader says otherwise."""

_SIGNATURE_DIGITS: Final = 128

JsonObject = dict[str, Any]
"""A JSON object as `json` gives it."""


def canonical_json(fields: Mapping[str, Any]) -> bytes:
    """Return `fields` as RFC 8785 JSON; `MalformedMessage` for what has no canonical form (NaN, 2^53 and more ...)."""
    try:
        return rfc8785.dumps(dict(fields))
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise MalformedMessage("a value has no canonical JSON form") from error


def parse_canonical_json(data: bytes, *, maximum_bytes: int = MAXIMUM_BYTES) -> JsonObject:
    """Return the object that `data` stands for; `MalformedMessage` unless `data` is its canonical form."""
    if len(data) > maximum_bytes:
        raise MalformedMessage("a document is too long")
    value = parse_json_object(data)
    if canonical_json(value) != data:
        raise MalformedMessage("a document is not in canonical form")
    return value


def parse_json_object(data: bytes) -> JsonObject:
    """Return the object that `data` stands for, in any form but with each key once and numbers of JSON alone.

    For what others have written; the caller bounds its length. Raises `MalformedMessage`.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("a document is not JSON") from error
    if not isinstance(value, dict):
        raise MalformedMessage("a document is not a JSON object")
    return value


def sign_document(identity: "Identity", label: Label, fields: Mapping[str, Any]) -> bytes:
    """Return `fields` as a document signed by `identity` under `label`; `MalformedMessage` if none could read it."""
    body = canonical_json(fields)
    # A float of 2^53 or more has a canonical form that reads as an integer which has none.
    parse_canonical_json(body)
    return body + b"\n" + identity.sign(label, body).hex().encode() + b"\n"


def verify_document(
    data: bytes, signer: "PublicIdentity", label: Label, *, maximum_bytes: int = MAXIMUM_BYTES
) -> JsonObject:
    """Return the fields of a document that `signer` signed under `label`.

    Raises `SignatureInvalid` and `MalformedMessage`. The signature is checked before the JSON is read.
    """
    body, signature = split_document(data, maximum_bytes=maximum_bytes)
    signer.verify(label, body, signature)
    return parse_canonical_json(body, maximum_bytes=maximum_bytes)


def split_document(data: bytes, *, maximum_bytes: int = MAXIMUM_BYTES) -> tuple[bytes, bytes]:
    """Return the body and the signature (64 bytes) of a document. Nothing is verified yet."""
    if len(data) > maximum_bytes:
        raise MalformedMessage("a document is too long")
    body, newline, rest = data.partition(b"\n")
    digits = rest[:_SIGNATURE_DIGITS]
    # bytes.fromhex takes capitals and spaces, which would give one signature several forms.
    canonical = len(digits) == _SIGNATURE_DIGITS and not digits.strip(b"0123456789abcdef")
    if not newline or not canonical or rest[_SIGNATURE_DIGITS:] != b"\n":
        raise MalformedMessage("a document does not end with its signature")
    return body, bytes.fromhex(digits.decode())


def _without_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key appears twice")
    return fields


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("not a JSON number")
