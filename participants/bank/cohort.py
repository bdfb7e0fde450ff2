"""A bank's cohort of one run: its book in the order drawn at the alignment, with labels, weights and own features."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crypto.errors import ProtocolStateError
from crypto.identifiers import EnterpriseId
from participants.bank.book import BankBook, BookRows
from participants.records.features import FeatureValues
from participants.runs.run import Run

Vector = NDArray[np.float64]


class BankCohort:
    """Rows of a bank's book, in the run's order. Only labelled rows that are not held out are trained on."""

    def __init__(self, run: Run, book: BankBook) -> None:
        self._run = run
        self._book = book

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """The book's row at each row of the cohort, `(rows,)`."""
        order: NDArray[np.int64] = self._run.store.read_arrays("order")["order"]
        return order

    @cached_property
    def enterprise_ids(self) -> list[EnterpriseId]:
        """Whose row each is."""
        ids = self._rows.enterprise_ids
        return [ids[row] for row in self.order]

    @cached_property
    def labels(self) -> Vector:
        """1 for default, 0 for repaid, NaN where it is not known; `(rows,)`."""
        return self._rows.default[self.order]

    @cached_property
    def is_held_out(self) -> NDArray[np.bool_]:
        """Whether a row serves evaluation and not training; `(rows,)`."""
        return self._rows.holdout[self.order] & ~np.isnan(self.labels)

    @cached_property
    def weights(self) -> Vector:
        """The weight of each row in training, `(rows,)`: 0 for those held out and for decoys."""
        return np.where(np.isnan(self.labels) | self.is_held_out, 0.0, self._rows.weight[self.order])

    def features(self) -> dict[str, FeatureValues]:
        """The bank's own features, a value a row of the cohort."""
        return self._book.features(self.enterprise_ids)

    @cached_property
    def _rows(self) -> BookRows:
        rows = self._book.rows()
        if book_digest(rows) != self._run.store.read_bytes("book-digest"):
            raise ProtocolStateError(
                "the book was replaced since this run was aligned", advice="start a new run with the new book"
            )
        return rows


def book_digest(rows: BookRows) -> bytes:
    """SHA-256 of who is in a book, with which outcome, weight and use: what a run's order of rows is about."""
    parts = [
        "\n".join(rows.enterprise_ids).encode(),
        *(part.tobytes() for part in (rows.default, rows.weight, rows.holdout)),
    ]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
