"""The cosignatures of the log's newest states, each verified when it comes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from crypto.errors import SignatureInvalid
from crypto.identifiers import ParticipantId
from crypto.transparency.cosignature import cosigned_at
from crypto.transparency.note import Note, NoteKey, NoteSignature
from models.log.names import Documents, majority, witness_keys, witness_name

_STATES: Final = 256


class Cosignatures:
    """What departments have cosigned. `pinned`: everybody's documents in force; the same object while they are."""

    def __init__(self, pinned: Callable[[], Documents]) -> None:
        self._pinned = pinned
        self._seen: Documents | None = None
        self._keys: dict[str, list[NoteKey]] = {}
        self._departments: frozenset[ParticipantId] = frozenset()
        self._lines: OrderedDict[bytes, dict[ParticipantId, NoteSignature]] = OrderedDict()

    def departments(self) -> frozenset[ParticipantId]:
        """All that are admitted now, up or not."""
        self._look()
        return self._departments

    def take(self, department: ParticipantId, note: Note, cosignature: bytes) -> None:
        """Keep a department's cosignature of a state, the latest of it; raises `SignatureInvalid` for a wrong one."""
        line = self._verified(department, note, cosignature)
        lines = self._lines.setdefault(note.text, {})
        lines[department] = line
        if len(self._lines) > _STATES:
            self._lines.popitem(last=False)

    def is_enough(self, note: Note) -> bool:
        """Whether a majority of all that are admitted has cosigned this state."""
        departments = self.departments()
        return len(self._lines.get(note.text, {}).keys() & departments) >= majority(len(departments))

    def on(self, note: Note) -> Note:
        """A state with the cosignatures that are known of it, in the place of earlier ones by the same witnesses."""
        lines = self._lines.get(note.text, {})
        known = {line.name for line in lines.values()}
        others = tuple(line for line in note.signatures if line.name not in known)
        return Note(note.text, others).with_signatures(lines[name] for name in sorted(lines))

    def _verified(self, department: ParticipantId, note: Note, cosignature: bytes) -> NoteSignature:
        self._look()
        for key in self._keys.get(witness_name(department), []):
            line = NoteSignature(key.name, key.key_id, cosignature)
            try:
                cosigned_at(Note(note.text, (line,)), key)
            except SignatureInvalid:
                continue  # during a rotation it has two keys
            return line
        raise SignatureInvalid("a cosignature is not by a key of the department that it came from")

    def _look(self) -> None:
        pinned = self._pinned()
        if pinned is self._seen:
            return
        keys: dict[str, list[NoteKey]] = {}
        for key in witness_keys(pinned):
            keys.setdefault(key.name, []).append(key)
        self._keys = keys
        self._departments = frozenset(name for name in pinned if witness_name(name) in keys)
        self._seen = pinned
