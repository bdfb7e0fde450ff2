"""With which sets of departments a round's direction was answered, and how it is kept from being taken apart.

If a round is tried again over another set, the difference of the two sums is the direction of whoever is in one set
only. So the direction is the same as long as the set is the same, and for another set it is scaled by a factor that
this department draws and keeps: the difference then holds unknown multiples of everybody's. Any positive factor leaves
a direction of descent. Few sets are answered in a round: from many one could tell the multiples apart.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from crypto.errors import PeerError
from participants.runs.run_store import RunStore

MAXIMUM_SETS: Final = 3
SMALLEST_FACTOR: Final = 0.5
LARGEST_FACTOR: Final = 1.5


class RoundSets:
    """The sets of one run's rounds."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def factor(self, round_number: int, departments: Sequence[str]) -> float:
        """The factor of this round's direction for a set: 1 for the first, secret for others.

        Raises `PeerError` beyond `MAXIMUM_SETS` sets in a round.
        """
        name = f"sets/{round_number:04}"
        factors: dict[str, float] = self._store.read_facts(name) if self._store.has(name) else {}
        key = hashlib.sha256("\n".join(departments).encode()).hexdigest()
        if key not in factors:
            if len(factors) == MAXIMUM_SETS:
                raise PeerError(
                    f"round {round_number} was asked for with more than {MAXIMUM_SETS} sets of departments",
                    advice="wait until the departments stay connected, then resume the run",
                )
            drawn = secrets.SystemRandom().uniform(SMALLEST_FACTOR, LARGEST_FACTOR)
            factors[key] = drawn if factors else 1.0
            self._store.write_facts(name, factors)
        return factors[key]
