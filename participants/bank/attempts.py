"""The one attempt of a round that a bank is in, so that no step of it is taken twice, or without those before it.

A bureau that had a step answered again, with a sum that it has altered a little, would read off the answers, which
hold the objective and the AUC, what the sums keep from it. So a bank searches a sum once in an attempt whose products
it has opened, and takes in one total a step. Each attempt opens products, and those are counted (`exposure.py`).
"""

from __future__ import annotations

from typing import Any

from crypto.errors import ProtocolStateError
from models.wire.training import Turn
from participants.runs.run_store import RunStore

_PIECE = "attempt"
_OPENED, _SEARCHED = -1, 0


class Attempts:
    """Where the present attempt of one run stands, on disk."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def open(self, turn: Turn) -> None:
        """Begin an attempt, in place of the one before."""
        self._write(turn, _OPENED)

    def answered(self) -> str | None:
        """The digest of the turn of the last attempt whose products were opened and were ready to be sent."""
        digest: str | None = self._store.read_facts(_PIECE)["turn"] if self._store.has(_PIECE) else None
        return digest

    def search(self, turn: Turn) -> None:
        """Go on to the search; raises `ProtocolStateError` unless this attempt was opened and nothing more."""
        self._expect(turn, _OPENED)
        self._write(turn, _SEARCHED)

    def take(self, turn: Turn, step: int) -> None:
        """Go on by one total; raises `ProtocolStateError` unless it is the next one of this attempt."""
        self._expect(turn, step)
        self._write(turn, step + 1)

    def _expect(self, turn: Turn, step: int) -> None:
        at: dict[str, Any] = self._store.read_facts(_PIECE) if self._store.has(_PIECE) else {}
        if at != {"turn": turn.digest().hex(), "step": step}:
            raise ProtocolStateError(
                "this step of an attempt was taken, or those before it were not",
                advice="the bureau tries the round again as a new attempt",
            )

    def _write(self, turn: Turn, step: int) -> None:
        self._store.write_facts(_PIECE, {"turn": turn.digest().hex(), "step": step})
