"""How many numbers about its residuals a bank has opened for each department in a run.

Each number is one inner product with the residuals. A run is refused unless its rounds cannot open too many
(`require_enough_rows`); attempts that are made again open more, and are counted here, so that a department cannot read
more by having rounds fail. What is counted stays counted after a restart.

Numbers are counted before they are opened, as reserved for their attempt. If the process dies before it has an answer
to give, nothing of them has left this bank, and the next attempt takes their place.
"""

from __future__ import annotations

from typing import Any

from crypto.errors import ProtectionUnavailable
from crypto.identifiers import ParticipantId
from models.wire.plan import ROWS_PER_ROUND_AND_PARAMETER
from participants.runs.run_costs import OPENED, opened_numbers
from participants.runs.run_store import RunStore


class OpenedNumbers:
    """The count of one run."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def begin(self, attempt: str, *, answered: str | None) -> None:
        """Begin to count for another attempt, after `answered`: the last one that was ready to be answered."""
        facts = self._facts()
        kept = self.numbers() if facts["attempt"] == answered else facts["given"]
        self._store.write_facts(OPENED, {"given": kept, "reserved": {}, "attempt": attempt})

    def spend(self, department: ParticipantId, numbers: int, *, training_rows: int) -> None:
        """Count `numbers` more for a department, or refuse to open them; raises `ProtectionUnavailable`."""
        facts = self._facts()
        total = self.numbers().get(department, 0) + numbers
        if ROWS_PER_ROUND_AND_PARAMETER * total > training_rows:
            raise ProtectionUnavailable(
                f"{training_rows} training rows do not cover {total} opened numbers for one department",
                advice="too many rounds were tried again; start a new run with fewer rounds or parameters",
            )
        reserved = facts["reserved"] | {department: facts["reserved"].get(department, 0) + numbers}
        self._store.write_facts(OPENED, facts | {"reserved": reserved})

    def numbers(self) -> dict[str, int]:
        """The count by department: what was given, and what is reserved."""
        return opened_numbers(self._facts())

    def _facts(self) -> dict[str, Any]:
        if self._store.has(OPENED):
            return self._store.read_facts(OPENED)
        return {"given": {}, "reserved": {}, "attempt": ""}
