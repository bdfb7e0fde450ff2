"""What the bureau received, byte by byte: how much of it was protected, and whether protected bytes look random.

A message's body is MessagePack (`models/wire/codec.py`), so it can be taken apart without its type. Each byte string
in it belongs to the innermost field that encloses it and whose name stands in `FORM_OF_FIELD`. Whatever is not known
to be protected, names and numbers and the framing too, counts as readable.

Random looks are a check and no proof: they would show a column of features that was sent in the clear, and would not
show a weak cipher. The proofs are in the protocols.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from models.enterprise_id import enterprise_id_fault
from models.wire.codec import WORD_BYTES


class Form(StrEnum):
    """In which form bytes reached the bureau."""

    READABLE = "readable"  # names, numbers, framing, and whatever is not known to be anything else
    PUBLIC = "public"  # keys, identity papers, signatures and fingerprints
    BLINDED = "blinded"  # points of a curve, multiplied by a secret of the sender
    SEALED = "sealed"  # to one recipient's public key
    MASKED = "masked"  # words to which a mask was added that only the participants can cancel
    ENCRYPTED = "encrypted"  # under a bank's lattice key


LEGIBLE: Final = frozenset({Form.READABLE, Form.PUBLIC})

FORM_OF_FIELD: Final = {
    "blinded": Form.BLINDED,
    "group_keys": Form.SEALED,
    "answers": Form.SEALED,
    "orders": Form.SEALED,
    "coefficients": Form.SEALED,
    "lists": Form.SEALED,
    "boxes": Form.SEALED,
    "box": Form.SEALED,
    "words": Form.MASKED,
    "opened": Form.MASKED,
    "bank_gradient": Form.MASKED,
    "images": Form.MASKED,
    "statistics": Form.MASKED,
    "residuals": Form.ENCRYPTED,
    "products": Form.ENCRYPTED,
    "ciphertexts": Form.ENCRYPTED,
    "ciphertext": Form.ENCRYPTED,
    "document": Form.PUBLIC,
    "lattice_key": Form.PUBLIC,
    "plan_digest": Form.PUBLIC,
    "key_fingerprint": Form.PUBLIC,
    "fingerprint": Form.PUBLIC,
    "signature": Form.PUBLIC,
}
MASKED_LOW_BYTES: Final = 6
"""Of each masked word: a mask is uniform below 2^50 at least, so these bytes of it are uniform and the rest may not."""

_LEAF_SAMPLE_BYTES: Final = 1 << 16
_FORM_SAMPLE_BYTES: Final = 1 << 22
_SHORTEST_MESSAGE: Final = 8
_DEEPEST: Final = 16
_LIKE_AN_ID: Final = re.compile(rb"[0-9A-HJ-NPQRTUWXY]{18,}")
_ID_BYTES: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class FormShare:
    """How many bytes came in one form; `entropy_bits` a byte (8 at most) of the `sampled_bytes` that were looked at."""

    form: Form
    payload_bytes: int
    sampled_bytes: int
    entropy_bits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found in everything that the bureau received."""

    shares: tuple[FormShare, ...]
    searched_bytes: int
    enterprise_ids_found: int

    @property
    def payload_bytes(self) -> int:
        """All bytes that were taken apart."""
        return sum(share.payload_bytes for share in self.shares)

    @property
    def protected_share(self) -> float:
        """The share of bytes that came in a form that the bureau cannot read; 0 if there were none."""
        legible = sum(share.payload_bytes for share in self.shares if share.form in LEGIBLE)
        return 1 - legible / self.payload_bytes if self.payload_bytes else 0.0


class Inspector:
    """Takes bodies apart one after the other. Every byte is counted; a bounded part is looked at."""

    def __init__(self) -> None:
        self._bytes = dict.fromkeys(Form, 0)
        self._histograms = {form: np.zeros(256, dtype=np.int64) for form in Form}
        self._searched = 0
        self._ids_found = 0

    def look(self, payload: bytes) -> None:
        """Count one body."""
        protected = 0
        for form, leaf in _leaves(payload, Form.READABLE, 0):
            if form is not Form.READABLE:
                self._bytes[form] += len(leaf)
                protected += len(leaf)
            self._sample(form, leaf[:_LEAF_SAMPLE_BYTES])
        self._bytes[Form.READABLE] += len(payload) - protected

    def inspection(self) -> Inspection:
        """What was found so far, the forms that occurred."""
        shares = [
            FormShare(
                form=form,
                payload_bytes=self._bytes[form],
                sampled_bytes=int(self._histograms[form].sum()),
                entropy_bits=entropy_bits(self._histograms[form]),
            )
            for form in Form
            if self._bytes[form]
        ]
        return Inspection(shares=tuple(shares), searched_bytes=self._searched, enterprise_ids_found=self._ids_found)

    def _sample(self, form: Form, leaf: bytes) -> None:
        if self._histograms[form].sum() >= _FORM_SAMPLE_BYTES:
            return
        self._searched += len(leaf)
        self._ids_found += count_enterprise_ids(leaf)
        values = np.frombuffer(leaf, dtype=np.uint8)
        if form is Form.MASKED and len(values) % WORD_BYTES == 0:
            values = values.reshape(-1, WORD_BYTES)[:, :MASKED_LOW_BYTES].ravel()
        self._histograms[form] += np.bincount(values, minlength=256)


def entropy_bits(counts: npt.NDArray[np.int64]) -> float:
    """Return Shannon's entropy of a histogram of byte values, in bits a byte; 0 for an empty one.

    Corrected for the size of the sample (Miller and Madow), and 8 at most.
    """
    total = int(counts.sum())
    if not total:
        return 0.0
    used = counts[counts > 0] / total
    return float(min(8.0, -(used * np.log2(used)).sum() + (len(used) - 1) / (2 * total * np.log(2))))


def count_enterprise_ids(data: bytes) -> int:
    """Return how many enterprise ids with right check digits stand in `data` as text."""
    found = 0
    for run in _LIKE_AN_ID.findall(data):
        text = run.decode("ascii")
        start = 0
        while start + _ID_BYTES <= len(text):
            if enterprise_id_fault(text[start : start + _ID_BYTES]) is None:
                found += 1
                start += _ID_BYTES
            else:
                start += 1
    return found


def _leaves(data: bytes, form: Form, depth: int) -> Iterator[tuple[Form, bytes]]:
    """The byte strings and texts of a message and of the messages inside it; the data itself if it is none."""
    message = _message(data) if depth < _DEEPEST else None
    if message is None:
        yield form, data
    else:
        yield from _values(message, form, depth + 1)


def _values(value: Any, form: Form, depth: int) -> Iterator[tuple[Form, bytes]]:
    if isinstance(value, bytes):
        yield from _leaves(value, form, depth)
    elif isinstance(value, str):
        yield Form.READABLE, value.encode()
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _values(inner, FORM_OF_FIELD.get(name, form), depth)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner, form, depth)


def _message(data: bytes) -> dict[str, Any] | None:
    # A map whose first key is a short text is tried; random bytes begin like one in 1 of 128 cases, and do not end so.
    if len(data) < _SHORTEST_MESSAGE or data[0] & 0xF0 != 0x80 or data[1] & 0xE0 != 0xA0:
        return None
    try:
        message: dict[str, Any] = msgspec.msgpack.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return message
