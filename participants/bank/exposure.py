"""How many numbers about its residuals a bank has opened for each department in a run.

Each number is one inner product with the residuals. A run is refused unless its rounds cannot open too many
(`require_enough_rows`); attempts that are made again open more, and are counted here, so that a department cannot read
more by having rounds fail. What is counted stays counted after a restart.
"""

from __future__ import annotations

from crypto.errors import ProtectionUnavailable
from crypto.identifiers import ParticipantId
from models.wire.plan import ROWS_PER_ROUND_AND_PARAMETER
from participants.run_store import RunStore


class OpenedNumbers:
    """The count of one run."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def spend(self, department: ParticipantId, numbers: int, *, training_rows: int) -> None:
        """Count `numbers` more for a department, or refuse to open them; raises `ProtectionUnavailable`."""
        opened: dict[str, int] = self._store.read_facts("opened") if self._store.has("opened") else {}
        total = opened.get(department, 0) + numbers
        if ROWS_PER_ROUND_AND_PARAMETER * total > training_rows:
            raise ProtectionUnavailable(
                f"{training_rows} training rows do not cover {total} opened numbers for one department",
                advice="too many rounds were tried again; start a new run with fewer rounds or parameters",
            )
        self._store.write_facts("opened", opened | {department: total})
