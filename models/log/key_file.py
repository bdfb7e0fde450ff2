"""The keys that a log is verified with, as a file that people hand each other: nothing in it is secret.

    # yurong department log-keys
    log yurong.log/bureau+8b0c1f2d+AQ...
    witness yurong.witness/court+0d4c7a51+BA...
    witness yurong.witness/tax+5e92b3aa+BA...
    quorum 2

A key is one word, name+id+key, as C2SP has it. Without a quorum it is a majority of the witnesses that are named.
"""

from __future__ import annotations

from collections.abc import Iterable

from crypto.errors import MalformedMessage
from crypto.transparency.checkpoint import number_of
from crypto.transparency.note import KeyUse, NoteKey
from crypto.transparency.receipt import TrustedLog
from models.log.names import majority

MAXIMUM_KEY_FILE_BYTES = 1 << 17
_MOST_WITNESSES = 1 << 10


def trusted_keys(log_words: Iterable[str], witness_words: Iterable[str], quorum: int | None = None) -> TrustedLog:
    """What to believe of a log, by these keys; raises `MalformedMessage` for one that is of another use."""
    logs = tuple(_key(word, KeyUse.TEXT, "log") for word in log_words)
    witnesses = tuple(_key(word, KeyUse.COSIGNATURE, "witness") for word in witness_words)
    if not logs or not witnesses:
        raise MalformedMessage(
            "a log is verified with a key of its own and one of a witness at least",
            advice="`yurong department log-keys` and `yurong bank log-keys` write the keys that a node has pinned.",
        )
    if len({key.name for key in logs}) > 1:
        raise MalformedMessage("the keys of a log are under one name")
    names = len({key.name for key in witnesses})
    quorum = majority(names) if quorum is None else quorum
    if not 1 <= quorum <= names:
        raise MalformedMessage(f"a quorum of {quorum} is not to be had from {names} witnesses")
    return TrustedLog(log_keys=logs, witnesses=witnesses, quorum=quorum)


def parse_keys(text: str) -> TrustedLog:
    """What the lines of such a file say; raises `MalformedMessage` for a line of no known kind."""
    words: dict[str, list[str]] = {"log": [], "witness": [], "quorum": []}
    for number, line in enumerate(text.splitlines(), 1):
        kind, *rest = line.split("#")[0].split() or [""]
        if kind and (kind not in words or len(rest) != 1):
            raise MalformedMessage(f"line {number} of the keys is not `log KEY`, `witness KEY` or `quorum NUMBER`")
        if kind:
            words[kind] += rest
    if len(words["quorum"]) > 1:
        raise MalformedMessage("the keys of a log name one quorum")
    quorum = number_of(words["quorum"][0], most=_MOST_WITNESSES) if words["quorum"] else None
    return trusted_keys(words["log"], words["witness"], quorum)


def format_keys(log: TrustedLog) -> str:
    """The file that `parse_keys` reads."""
    lines = [f"log {key.encode()}" for key in log.log_keys] + [f"witness {key.encode()}" for key in log.witnesses]
    return "\n".join([*lines, f"quorum {log.quorum}", ""])


def _key(word: str, use: KeyUse, what: str) -> NoteKey:
    key = NoteKey.decode(word)
    if key.use is not use:
        raise MalformedMessage(f"a key of a {what} is of another use")
    return key
