"""A department's side of the alignment: private set intersection with each bank, then the cohorts' order.

| who        | learns                                                                          |
|------------|---------------------------------------------------------------------------------|
| department | how many enterprises each bank asks about; which of its own are in the cohorts   |
| bank       | which of its cohort this department holds; how many enterprises it holds in all  |
| bureau     | those two numbers                                                               |

The department's key is new in every run, so tags of two runs cannot be compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from crypto.alignment import TAG_BYTES, AlignmentDepartment
from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.labels import Label
from models.wire.envelope import post
from models.wire.setup import BlindedReply, BlindedRequest, CohortOrder, CohortRequest, Done, EvaluatedIds
from models.wire.steps import Step
from participants.department.store import DepartmentStore
from participants.runs.run import Run, received

MAXIMUM_COHORT_ROWS = 5_000_000
ABSENT = -1


class DepartmentAligner:
    """Answers the alignment's two steps."""

    def __init__(self, run: Run, register: DepartmentStore) -> None:
        self._run = run
        self._register = register

    def answer_blinded(self, request: BlindedRequest) -> BlindedReply:
        """Evaluate each bank's blinded ids under a key of this run, and give the register's own tags, sorted.

        Once a run, so that the number of ids that a bank may ask about is bounded.
        """
        key = AlignmentDepartment.generate()
        ids = self._register.enterprise_ids()
        tags = key.tags(ids)
        register_tags = b"".join(sorted(_split(tags)))
        turn = self._run.setup_turn()
        answers = {}
        for bank, payload in received(request.blinded, self._run.plan.bank_ids).items():
            blinded = self._run.hear_standing(payload, Step.MEET, turn.round, sender=bank)
            answer = EvaluatedIds(evaluated=key.evaluate(blinded), register_tags=register_tags)
            answers[bank] = self._run.say_sealed(
                Step.ANSWER_BLINDED, turn, answer.encode(), to=bank, label=Label.SEALED_ANSWER
            )
        self._run.store.write_bytes("register-digest", register_digest(ids))
        self._run.store.write_bytes("register-tags", tags)
        return BlindedReply(answers=post(answers))

    def take_cohort(self, request: CohortRequest) -> Done:
        """Keep, for each bank, which enterprise of the register each row of its cohort is.

        Once a run: with a second order, a bank could compare sums over rows that are other enterprises here alone.
        """
        row_of_tag = {tag: row for row, tag in enumerate(_split(self._run.store.read_bytes("register-tags")))}
        turn = self._run.setup_turn()
        cohorts: dict[ParticipantId, NDArray[np.int64]] = {}
        for bank, payload in received(request.orders, self._run.plan.bank_ids).items():
            body = self._run.hear_sealed(payload, Step.ORDER_COHORT, turn, sender=bank, label=Label.SEALED_COHORT)
            order = CohortOrder.decode(body)
            if order.rows > MAXIMUM_COHORT_ROWS:
                raise PeerError(f"a cohort of {order.rows} rows; at most {MAXIMUM_COHORT_ROWS} are accepted")
            cohorts[bank] = _rows_of(order, row_of_tag)
        for bank, rows in cohorts.items():
            self._run.store.write_arrays(f"cohort/{bank}", {"rows": rows})
        return Done(run_id=self._run.plan.run_id)


def register_digest(enterprise_ids: Sequence[EnterpriseId]) -> bytes:
    """SHA-256 of who is in a register, in its order: what the rows of a run's cohorts are about."""
    return hashlib.sha256("\n".join(enterprise_ids).encode()).digest()


def _rows_of(order: CohortOrder, row_of_tag: dict[bytes, int]) -> NDArray[np.int64]:
    """The register's row of each row of a cohort, `(rows,)`; `ABSENT` where the order names none."""
    try:
        held = [row_of_tag[tag] for tag in _split(order.tags)]
    except KeyError:
        raise PeerError("a cohort names an enterprise that this department did not offer") from None
    if len(set(held)) != len(held):
        raise PeerError("a cohort names an enterprise twice")
    rows = np.full(order.rows, ABSENT, dtype=np.int64)
    rows[order.held_positions()] = held
    return rows


def _split(tags: bytes) -> list[bytes]:
    return [tags[start : start + TAG_BYTES] for start in range(0, len(tags), TAG_BYTES)]
