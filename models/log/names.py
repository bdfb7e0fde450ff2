"""Whose keys the log's checkpoints are verified with, from the documents of the participants that one has pinned.

| who        | name in notes                  | signs                                                        |
|------------|--------------------------------|--------------------------------------------------------------|
| bureau     | `yurong.log/` its id           | the checkpoint's text                                        |
| department | `yurong.witness/` its id       | that it saw this state, and each one before is its beginning |

Both sign with the Ed25519 key of their identity, so whoever has compared a fingerprint needs no other key. While an
identity is changed a participant has two; a witness counts once, whichever of them it signs with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crypto.errors import UntrustedKey
from crypto.identifiers import ParticipantId, Role
from crypto.identity import ParticipantDocument
from crypto.transparency.note import KeyUse, NoteKey
from crypto.transparency.receipt import TrustedLog

Documents = Mapping[ParticipantId, Sequence[ParticipantDocument]]
"""The documents in force of each participant, as pins have them."""


def origin_of(bureau: ParticipantId) -> str:
    """The name of a bureau's log."""
    return f"yurong.log/{bureau}"


def witness_name(department: ParticipantId) -> str:
    """The name under which a department cosigns."""
    return f"yurong.witness/{department}"


def log_keys(bureau: ParticipantId, documents: Sequence[ParticipantDocument]) -> tuple[NoteKey, ...]:
    """The keys of the log, from the bureau's documents in force; raises `UntrustedKey` for those of another."""
    if any(one.participant_id != bureau or one.role is not Role.BUREAU for one in documents):
        raise UntrustedKey("a log is signed by the bureau, and this is another participant's document")
    return tuple(NoteKey(origin_of(bureau), KeyUse.TEXT, one.identity.signing_key) for one in documents)


def witness_keys(documents: Documents) -> tuple[NoteKey, ...]:
    """The keys of the witnesses: of every department among these participants, sorted by its name."""
    return tuple(
        NoteKey(witness_name(name), KeyUse.COSIGNATURE, one.identity.signing_key)
        for name, in_force in sorted(documents.items())
        for one in in_force
        if one.role is Role.DEPARTMENT
    )


def majority(count: int) -> int:
    """How many of so many are more than half."""
    return count // 2 + 1


def trusted_log(bureau: ParticipantId, pinned: Documents, quorum: int | None = None) -> TrustedLog:
    """What whoever has pinned these believes of the bureau's log. quorum: a majority of the departments, if None.

    Raises `UntrustedKey` if the bureau is not among them.
    """
    keys = log_keys(bureau, pinned.get(bureau, ()))
    if not keys:
        raise UntrustedKey("the bureau is not pinned, so nobody's log is trusted", advice="Pin the bureau's document.")
    witnesses = witness_keys(pinned)
    if quorum is None:
        quorum = majority(len({key.name for key in witnesses}))
    return TrustedLog(log_keys=keys, witnesses=witnesses, quorum=quorum)
