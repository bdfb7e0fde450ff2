"""A witness's word on a checkpoint: C2SP tlog-cosignature, with Ed25519.

What is signed:

    cosignature/v1
    time 1679315147
    example.com/behind-the-sofa
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

It says that at this time this was the largest state of the log that the witness had seen, and that each state that it
saw before is the beginning of it. In the note's line eight bytes of time stand before the signature.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from crypto.errors import MalformedMessage, SignatureInvalid
from crypto.transparency.errors import TooFewWitnesses
from crypto.transparency.note import KeyUse, Note, NoteKey, NoteSignature

_TIME_BYTES: Final = 8
_LATEST: Final = (1 << 63) - 1


def cosign(text: bytes, key: NoteKey, sign: Callable[[bytes], bytes], *, at: int) -> NoteSignature:
    """A witness's line below a checkpoint's text. `sign`: by the private key of `key`. `at`: seconds since 1970."""
    return NoteSignature(key.name, key.key_id, at.to_bytes(_TIME_BYTES, "big") + sign(_message(text, at)))


def cosigned_at(note: Note, key: NoteKey) -> int | None:
    """When this witness cosigned (seconds since 1970), if it did. Raises `SignatureInvalid` for a wrong line."""
    latest = None
    for line in note.signatures:
        if key.use is KeyUse.COSIGNATURE and line.is_of(key):
            at = int.from_bytes(line.data[:_TIME_BYTES], "big")
            if len(line.data) <= _TIME_BYTES or at > _LATEST:
                raise SignatureInvalid("a cosignature is not in its form")
            key.verify(_message(note.text, at), line.data[_TIME_BYTES:])
            latest = max(at, latest or 0)
    return latest


def times_of_cosigning(note: Note, witnesses: Collection[NoteKey]) -> dict[str, int]:
    """When each of these witnesses cosigned, by name, if it did. Raises `SignatureInvalid` for a wrong line."""
    found = ((key.name, cosigned_at(note, key)) for key in witnesses)
    times: dict[str, int] = {}
    for name, at in found:
        if at is not None:
            times[name] = max(at, times.get(name, at))
    return times


def require_quorum(note: Note, witnesses: Collection[NoteKey], quorum: int) -> tuple[str, ...]:
    """The names of the witnesses that cosigned, sorted; raises `TooFewWitnesses` below `quorum`, `SignatureInvalid`.

    A witness counts once, however many keys of it are known.
    """
    if quorum < 1:
        raise MalformedMessage("a quorum is one witness at least")
    names = times_of_cosigning(note, witnesses).keys()
    if len(names) < quorum:
        raise TooFewWitnesses(
            f"{len(names)} witnesses have cosigned the log where {quorum} are asked for",
            advice="Wait until more departments are up, or ask the bureau why they did not.",
        )
    return tuple(sorted(names))


def _message(text: bytes, at: int) -> bytes:
    return b"cosignature/v1\ntime %d\n" % at + text
