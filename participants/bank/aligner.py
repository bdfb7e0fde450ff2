"""A bank's side of the alignment. What each party learns stands in `participants/department/aligner.py`.

The cohort is everything in the bank's book: borrowers, those held out, and decoys. Its order is drawn at random in
each run, so a row's place says nothing. To a department all rows look alike: residuals of rows that are not trained on
are encrypted zeros.
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from crypto.alignment import TAG_BYTES, AlignmentBank
from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ParticipantId
from crypto.labels import Label
from models.wire.envelope import post
from models.wire.setup import CohortOrder, EvaluatedIds, OrderReply, OrderRequest
from models.wire.steps import Step
from participants.bank.book import BankBook
from participants.bank.cohort import book_digest
from participants.runs.run import Run, received


class BankAligner:
    """Blinds the cohort's ids, and orders it for each department."""

    def __init__(self, run: Run, book: BankBook) -> None:
        self._run = run
        self._book = book

    def blind(self) -> bytes:
        """Draw the cohort's order and blind its ids, once a run: one envelope to all departments."""
        order = _random_order(len(self._book.enterprise_ids()))
        self._run.store.write_arrays("order", {"order": order})
        self._run.store.write_bytes("book-digest", book_digest(self._book.rows()))
        client = AlignmentBank(self._cohort_ids())
        self._run.store.write_bytes("alignment", client.to_private_bytes())
        return self._run.say(Step.MEET, self._run.setup_turn(), client.blind(), to=self._run.plan.department_ids)

    def order_cohort(self, request: OrderRequest) -> OrderReply:
        """Find out what each department holds of the cohort and seal to it the rows that are its enterprises."""
        client = AlignmentBank.from_private_bytes(self._run.store.read_bytes("alignment"), self._cohort_ids())
        turn = self._run.setup_turn()
        rows = len(self._cohort_ids())
        orders: dict[ParticipantId, bytes] = {}
        for department, payload in received(request.answers, self._run.plan.department_ids).items():
            body = self._run.hear_sealed(
                payload, Step.ANSWER_BLINDED, turn, sender=department, label=Label.SEALED_ANSWER
            )
            order = _match(client, EvaluatedIds.decode(body), rows)
            orders[department] = self._run.say_sealed(
                Step.ORDER_COHORT, turn, order.encode(), to=department, label=Label.SEALED_COHORT
            )
        return OrderReply(orders=post(orders), rows=rows)

    def _cohort_ids(self) -> list[EnterpriseId]:
        ids = self._book.enterprise_ids()
        return [ids[row] for row in self._run.store.read_arrays("order")["order"]]


def _match(client: AlignmentBank, answer: EvaluatedIds, rows: int) -> CohortOrder:
    register = {
        answer.register_tags[start : start + TAG_BYTES] for start in range(0, len(answer.register_tags), TAG_BYTES)
    }
    if len(answer.register_tags) != len(register) * TAG_BYTES:
        raise PeerError("a department's register holds an enterprise twice")
    own = client.tags(answer.evaluated)
    tags = [own[start : start + TAG_BYTES] for start in range(0, rows * TAG_BYTES, TAG_BYTES)]
    held = [row for row, tag in enumerate(tags) if tag in register]
    return CohortOrder.of(rows=rows, positions=np.array(held, dtype=np.int64), tags=b"".join(tags[row] for row in held))


def _random_order(rows: int) -> NDArray[np.int64]:
    """A uniform permutation from the operating system's randomness."""
    keys = np.frombuffer(secrets.token_bytes(16 * rows), dtype=np.dtype([("high", "<u8"), ("low", "<u8")]))
    return np.argsort(keys, order=("high", "low")).astype(np.int64)
