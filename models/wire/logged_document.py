"""What the documents that a participant signs for the log have in common.

    {...}               RFC 8785, one line
    9b0c...             the signature, one line (`crypto.documents`)

The log holds the SHA-256 of both lines. A document says who signed it, so a reader asks `claimed` whose key to
take, and believes nothing before `verify`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import ClassVar, Final, Self

from crypto.documents import JsonObject, parse_canonical_json, sign_document, split_document, verify_document
from crypto.identity import Identity, PublicIdentity
from crypto.labels import Label
from models.wire.document_fields import require_keys
from models.wire.log_entry import EntryKind, LogEntry

MAXIMUM_LOGGED_BYTES: Final = 1 << 11
"""No such document is longer, signature included."""


class LoggedDocument(ABC):
    """Base of the documents that are signed and logged: frozen dataclasses that write and read their fields."""

    __slots__ = ()
    LABEL: ClassVar[Label]
    KIND: ClassVar[EntryKind]
    KEYS: ClassVar[frozenset[str]]

    @abstractmethod
    def fields(self) -> JsonObject:
        """What the document says."""

    @classmethod
    @abstractmethod
    def _from_fields(cls, fields: JsonObject) -> Self:
        """What `fields` (of these keys) gave; raises `MalformedMessage`."""

    def sign(self, identity: Identity) -> bytes:
        """The signed document."""
        return sign_document(identity, self.LABEL, self.fields())

    @classmethod
    def claimed(cls, document: bytes) -> Self:
        """What `document` says, with its signature not verified yet; raises `MalformedMessage`."""
        body, _ = split_document(document, maximum_bytes=MAXIMUM_LOGGED_BYTES)
        return cls._read(parse_canonical_json(body, maximum_bytes=MAXIMUM_LOGGED_BYTES))

    @classmethod
    def verify(cls, document: bytes, signer: PublicIdentity) -> Self:
        """What `document` says, if `signer` signed these very bytes. Raises `SignatureInvalid`, `MalformedMessage`."""
        return cls._read(verify_document(document, signer, cls.LABEL, maximum_bytes=MAXIMUM_LOGGED_BYTES))

    @classmethod
    def entry(cls, document: bytes) -> LogEntry:
        """The log's entry for a signed document of this kind."""
        return LogEntry(kind=cls.KIND, digest=hashlib.sha256(document).digest())

    @classmethod
    def _read(cls, fields: JsonObject) -> Self:
        require_keys(fields, cls.KEYS)
        return cls._from_fields(fields)
