"""How a wire message becomes bytes and comes back: MessagePack, typed, bounded and in one canonical form.

A message is a frozen, slotted, keyword-only dataclass that derives from `WireMessage`. Its bytes are a MessagePack map
of its fields in their declared order (https://msgpack.org; each value in its shortest form). `decode` is strict:
unknown or missing fields, a wrong type, a value out of the bounds written in the annotation, trailing bytes or any
other encoding of the same values is `MalformedMessage`. Nothing that arrives can name a class or run code.

Vectors of residues modulo 2^64 travel as little-endian 8-byte words (`pack_words`, `unpack_words`).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from crypto.errors import MalformedMessage

WORD_BYTES = 8

Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Blob = Annotated[bytes, msgspec.Meta(max_length=2**31 - 1)]


_decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {}


def _decoder(message_type: type[Any]) -> msgspec.msgpack.Decoder[Any]:
    if message_type not in _decoders:
        _decoders[message_type] = msgspec.msgpack.Decoder(message_type, strict=True)
    return _decoders[message_type]


class WireMessage:
    """Base of all wire messages: `encode()` and `decode()`."""

    __slots__ = ()
    MAXIMUM_BYTES: ClassVar[int] = 1 << 30

    def encode(self) -> bytes:
        """The canonical bytes of this message."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a message from outside.

        Raises `MalformedMessage` for anything that is not the canonical encoding of a message of this type.
        """
        if len(data) > cls.MAXIMUM_BYTES:
            raise MalformedMessage(f"{cls.__name__} of {len(data)} bytes; at most {cls.MAXIMUM_BYTES} are accepted")
        try:
            message: Self = _decoder(cls).decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
            # The library's text can quote what it read; only the kind of the fault is repeated.
            raise MalformedMessage(f"{cls.__name__} cannot be read: {type(fault).__name__}") from None
        if message.encode() != data:
            raise MalformedMessage(f"{cls.__name__} is not in canonical form")
        return message


def pack_words(words: NDArray[np.uint64]) -> bytes:
    """Residues modulo 2^64, `(length,)`, as little-endian bytes."""
    return words.astype("<u8", copy=False).tobytes()


def unpack_words(data: bytes, length: int) -> NDArray[np.uint64]:
    """The `(length,)` residues in `data`; raises `MalformedMessage` for any other length."""
    if len(data) != length * WORD_BYTES:
        raise MalformedMessage(f"{len(data)} bytes where {length} words of {WORD_BYTES} bytes were expected")
    return np.frombuffer(data, dtype="<u8").astype(np.uint64, copy=False)
