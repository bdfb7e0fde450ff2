"""Which evaluations a bank has taken part in, so that the bureau reads off the metrics what they are and no more.

Metrics go to everybody in the clear. A bureau that chose other banks each time would get those of a single one; one
that had the same counts concluded again, altered a little each time, would get every count. So all evaluations of a run
are of the banks and the round that training ended with, there are few, and each concludes one sum.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from crypto.errors import PeerError
from models.wire.training import Turn
from participants.runs.run_store import RunStore

MAXIMUM_EVALUATIONS: Final = 8
"""One is enough; a bureau that is stopped before it has the metrics needs another."""

_PIECE: Final = "evaluations"
_ADVICE: Final = "start a new run"


class Evaluations:
    """The evaluations of one run."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def check(self, turn: Turn, last_banks: tuple[str, ...]) -> None:
        """Refuse an evaluation of other banks than the last round's, or of another round than the first evaluation."""
        facts = self._facts()
        if sorted(turn.banks) != sorted(last_banks) or facts.get("round", turn.round) != turn.round:
            raise PeerError("an evaluation is not of the banks and the round that training ended with")
        if len(facts.get("sums", {})) >= MAXIMUM_EVALUATIONS:
            raise PeerError("this run was evaluated too often", advice=_ADVICE)

    def take(self, turn: Turn) -> None:
        """Keep that the scores were counted in this turn."""
        facts = self._facts()
        sums = facts.get("sums", {}) | {turn.digest().hex(): None}
        self._store.write_facts(_PIECE, {"round": turn.round, "sums": sums})

    def conclude(self, turn: Turn, counts: bytes) -> None:
        """Keep which sum was concluded; raises `PeerError` for a second one, or if nothing was counted."""
        facts, digest = self._facts(), hashlib.sha256(counts).hexdigest()
        sums: dict[str, str | None] = facts.get("sums", {})
        if sums.get(turn.digest().hex(), "") not in (None, digest):
            raise PeerError("an evaluation was concluded with another sum, or not counted at all")
        self._store.write_facts(_PIECE, facts | {"sums": sums | {turn.digest().hex(): digest}})

    def _facts(self) -> dict[str, Any]:
        return self._store.read_facts(_PIECE) if self._store.has(_PIECE) else {}
