"""The answers that a participant has given to the steps of a run's set-up: each is taken once, and answered as often.

All that follows rests on the set-up: a second order of a cohort would let a bank compare sums, a second alignment ask
about more ids, a second begin move bounds. So a step is taken for one request only. The same request again gets the
same answer, byte for byte, whether its first answer was lost, or its bureau, or this process right after it. So a
bureau that was stopped in the middle of a set-up asks for all of it again and finds everybody where it was.

    answers/<step>      SHA-256 of the request, then the answer

The answer is written before it is given. If the process dies before that, nothing has left this participant and the
step is taken anew over whatever the dead process left; but for steps that mask: their masks count as used then, the
step is refused and the run begins a new attempt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from crypto.errors import PeerError
from models.wire.steps import Step
from participants.runs.run_store import RunStore

SETUP_STEPS: Final = frozenset(
    {
        Step.MEET,
        Step.ANSWER_BLINDED,
        Step.ORDER_COHORT,
        Step.TAKE_COHORT,
        Step.BIN_DEPARTMENT,
        Step.BIN_BANK,
        Step.CURVE_BANK,
        Step.BEGIN,
    }
)
_DIGEST_BYTES: Final = 32


class SetupAnswers:
    """The answers of one run."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def answer(self, step: Step, request: bytes, take: Callable[[], bytes]) -> bytes:
        """The answer to a request: the one that was given, or what `take` makes of it.

        Raises `PeerError` for another request than the first of a step, and what `take` raises.
        """
        name, digest = f"answers/{step}", hashlib.sha256(request).digest()
        if self._store.has(name):
            kept = self._store.read_bytes(name)
            if kept[:_DIGEST_BYTES] != digest:
                raise PeerError(
                    "this step of the run's set-up was taken before, with another request",
                    advice="begin a new attempt of the run",
                )
            return kept[_DIGEST_BYTES:]
        answer = take()
        self._store.write_bytes(name, digest + answer)
        return answer
