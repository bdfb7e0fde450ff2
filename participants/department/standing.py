"""What stands for every attempt of a round: each bank's residuals and the coefficients, as they were heard first.

If a bank's round ended twice there are two of each, all of them signed. A bureau that gives a department first the
one and then the other, and the rest the same twice, gets two sums that differ by that department's direction alone.
So whatever comes second for a round has to be what came first.
"""

from __future__ import annotations

import hashlib

import numpy as np

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from models.wire.training import Coefficients
from participants.runs.run_store import RunStore

RELATIVE_ROUNDING = 1e-9
"""Banks compute the same coefficients each for itself, perhaps on other processors."""

_ADVICE = "resume the run from its last checkpoint, or start a new one"


class StandingPost:
    """What one run's rounds began with."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def hold_residuals(self, round_number: int, bodies: dict[ParticipantId, bytes]) -> None:
        """Keep the digests of banks' residuals; raises `PeerError` if a bank's are not those that came first."""
        name = f"residuals/{round_number:04}"
        known: dict[str, str] = self._store.read_facts(name) if self._store.has(name) else {}
        heard: dict[str, str] = {bank: hashlib.sha256(body).hexdigest() for bank, body in bodies.items()}
        if any(known.get(bank, digest) != digest for bank, digest in heard.items()):
            raise PeerError(f"round {round_number} came with other residuals than before", advice=_ADVICE)
        if not heard.keys() <= known.keys():
            self._store.write_facts(name, known | heard)

    def hold_coefficients(self, round_number: int, body: bytes) -> None:
        """Keep the coefficients that a round begins with; raises `PeerError` if others came before."""
        name = f"coefficients/{round_number:04}"
        if not self._store.has(name):
            self._store.write_bytes(name, body)
        elif not _alike(Coefficients.decode(self._store.read_bytes(name)), Coefficients.decode(body)):
            raise PeerError(f"round {round_number} came with other coefficients than before", advice=_ADVICE)

    def coefficients(self, round_number: int) -> Coefficients:
        """The coefficients that a round begins with."""
        return Coefficients.decode(self._store.read_bytes(f"coefficients/{round_number:04}"))


def _alike(one: Coefficients, other: Coefficients) -> bool:
    if one.took_part != other.took_part or one.residual_fraction_bits != other.residual_fraction_bits:
        return False
    pairs = ((*each.values, each.base_rate, each.training_weight) for each in (one, other))
    first, second = (np.array(numbers) for numbers in pairs)
    largest = float(np.max(np.abs(first), initial=0.0))
    return len(first) == len(second) and np.allclose(
        first, second, rtol=RELATIVE_ROUNDING, atol=RELATIVE_ROUNDING * min(largest, 1.0)
    )
